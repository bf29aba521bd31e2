//! The progress of a command, on standard error if that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::transfer::Progress;

/// How often what moves is drawn anew while nothing else happens.
const TICK: Duration = Duration::from_millis(200);
const WITH_LENGTH: &str = "{msg} {wide_bar} {percent} %, {eta} left";
const WITHOUT: &str = "{msg} {spinner} {elapsed}";

/// The progress of one source.
pub(super) struct Bar {
    bar: ProgressBar,
    length: u64,
}

impl Bar {
    /// Shows the progress of what is called `name`.
    pub fn of(name: &str) -> Self {
        let bar = ProgressBar::no_length();
        bar.set_message(name.to_owned());
        Self { bar, length: 0 }
    }
}

impl Progress for Bar {
    fn begin(&mut self, length: Option<u64>) {
        self.length = length.unwrap_or_default();
        let template = if self.length > 0 { WITH_LENGTH } else { WITHOUT };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        if self.length > 0 {
            self.bar.set_length(self.length);
        }
        self.bar.enable_steady_tick(TICK);
    }

    fn advance(&mut self, position: u64) {
        if self.length > 0 {
            self.bar.set_position(position.min(self.length));
        }
    }

    fn end(&mut self) {
        self.bar.finish_and_clear();
    }
}
