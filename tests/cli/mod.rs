//! The program: commands, settings, signals and supervision.

mod program;
mod settings;
mod settings_addresses;
mod settings_help;
mod settings_secrets;
mod settings_units;
mod shipped;
mod sockets;
mod supervision;
