//! Whatever was interrupted or brought again: the history is what it would be after one import.

use std::{fs, thread, time::Duration};

use super::{CONTEXTS, LATER, Target, metrics, write};
use crate::support::{Engine, program::command};

const ROWS: u32 = 12_000;

#[tokio::test]
async fn an_export_is_the_same_after_one_import_and_after_three_of_which_one_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let sessions = "INSERT INTO TEST_SESSIONS VALUES ('s1', '2025-01-06T02:00:00', 'abc', '{\"branch\": \"main\"}'),
        ('s2', '2025-01-06T02:00:00', 'abc', '{}')";
    let half = [LATER, CONTEXTS, sessions, ";", &metrics("s1", 0, ROWS / 2), ";", &metrics("s2", 5_000, 10)].concat();
    write(folder.path(), "half.pymon", &half).await;
    fs::copy(folder.path().join("half.pymon"), folder.path().join("whole.pymon")).unwrap();
    // What follows has equal rows, near and far from each other.
    let rest = [metrics("s1", ROWS / 2, ROWS / 2), metrics("s2", 5_000, 10), metrics("s2", 5_005, 5)].join(";");
    write(folder.path(), "whole.pymon", &rest).await;
    let (once, often) = (Target::both(folder.path(), "once.db").await, Target::both(folder.path(), "often.db").await);
    for (once, often) in once.into_iter().zip(often) {
        once.take(folder.path(), &["whole.pymon"]);
        let expected = once.exported(folder.path());
        assert_eq!(expected.lines().count(), 1 + 1 + 2 + ROWS as usize + 25);

        let arguments = ["import", "whole.pymon", "--database-url", &often.url];
        let mut was_interrupted = false;
        for wait in [100, 250] {
            let mut child = command(folder.path(), &arguments, &[]).spawn().unwrap();
            thread::sleep(Duration::from_millis(wait));
            was_interrupted |= child.try_wait().unwrap().is_none();
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(was_interrupted);
        // An earlier state of the same file, both at once, and again.
        often.take(folder.path(), &["half.pymon"]);
        often.take(folder.path(), &["whole.pymon", "half.pymon"]);
        let said = often.take(folder.path(), &["whole.pymon"]);
        assert!(said.contains(&format!(": 0 metrics stored, {} there already", ROWS + 25)), "{said}");
        assert!(often.exported(folder.path()) == expected, "{:?}", often.engine());

        // So it is on the way through lines, and from one database to another.
        fs::write(folder.path().join("lines"), &expected).unwrap();
        let is_first = once.engine() == Engine::Sqlite;
        for source in [("lines", is_first), (&once.url, true)]
            .into_iter()
            .filter_map(|(source, is_used)| is_used.then_some(source))
        {
            for copy in Target::both(folder.path(), "copy.db").await {
                copy.take(folder.path(), &[source]);
                copy.take(folder.path(), &[source]);
                assert!(copy.exported(folder.path()) == expected, "{source}");
                for end in ["", "-wal", "-shm"] {
                    let _ = fs::remove_file(folder.path().join(format!("copy.db{end}")));
                }
                copy.remove().await;
            }
        }
        once.remove().await;
        often.remove().await;
    }
}
