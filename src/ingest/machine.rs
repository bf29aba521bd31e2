//! The class of a machine: what of an execution context makes measurements comparable. Names of machines and measured frequencies
//! are not part of it, since they may differ from session to session.

use entity::{
    digest::digest,
    driver::{executor::Transaction, keys, source::Source as _},
    table::execution_context,
};
use sea_orm::{
    DbErr,
    sea_query::{Expr, ExprTrait as _, Query, Value},
};

/// What contexts of one class have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MachineClass {
    /// Vendor and model of the processor; empty if not sent.
    pub cpu_vendor: String,
    /// The type of the processor.
    pub cpu_type: String,
    /// Number of processors; 0 if unknown.
    pub cpu_count: i64,
    /// GB, rounded up to a power of two; 0 if unknown.
    pub ram: i64,
    /// The type of the machine.
    pub architecture: String,
    /// The operating system without its release.
    pub os_family: String,
    /// The first two numbers of Python's version.
    pub python: String,
}

impl MachineClass {
    /// Returns the class of an announced context.
    pub fn of(context: &execution_context::Model) -> Self {
        let text = |text: &Option<String>| tidy(text.as_deref().unwrap_or_default());
        Self {
            cpu_vendor: text(&context.cpu_vendor),
            cpu_type: text(&context.cpu_type),
            cpu_count: Ord::max(context.cpu_count.unwrap_or_default(), 0),
            ram: gigabytes(context.ram_total.unwrap_or_default()),
            architecture: architecture(&text(&context.machine_type), &text(&context.machine_arch)),
            os_family: os_family(&text(&context.system_info)),
            python: python(&text(&context.python_info)),
        }
    }

    /// Returns the key of the class, which is stored if it is new.
    pub async fn key(&self, tx: &Transaction<'_>) -> Result<i64, DbErr> {
        let Self { cpu_vendor, cpu_type, cpu_count, ram, architecture, os_family, python } = self;
        let numbers = [cpu_count.to_string(), ram.to_string()];
        let parts = [cpu_vendor, cpu_type, &numbers[0], &numbers[1], architecture, os_family, python];
        let digest = digest(&parts.map(String::as_str)).to_vec();
        let find =
            Query::select().column("id").from("machine_class").and_where(Expr::col("digest").eq(digest.clone())).take();
        if let Some(key) = tx.all::<i64>(&find).await?.pop() {
            return Ok(key);
        }
        let texts = [cpu_vendor, cpu_type, architecture, os_family, python].map(|text| Value::from(text.as_str()));
        let [cpu_vendor, cpu_type, architecture, os_family, python] = texts;
        let numbers = [Value::from(*cpu_count), Value::from(*ram)];
        let [cpu_count, ram] = numbers;
        let values = [cpu_vendor, cpu_type, cpu_count, ram, architecture, os_family, python, Value::from(digest)];
        let columns = ["cpu_vendor", "cpu_type", "cpu_count", "ram", "architecture", "os_family", "python", "digest"];
        let own = if tx.engine().reuses_keys() { Some(keys::next(tx, "machine_class", "id").await?) } else { None };
        let mut insert = Query::insert();
        insert.into_table("machine_class").columns(own.map(|_| "id").into_iter().chain(columns));
        insert.values_panic(own.map(Value::from).into_iter().chain(values).map(Expr::val));
        insert.returning(Query::returning().column("id"));
        tx.all::<i64>(&insert).await?.pop().ok_or_else(|| DbErr::RecordNotFound("a machine class".to_owned()))
    }
}

/// Returns a text without white space at its ends, and with single spaces inside. What stands for nothing is empty.
fn tidy(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.eq_ignore_ascii_case("unknown") { String::new() } else { text }
}

/// Returns MB as GB, rounded up to a power of two: a part of the memory is often reserved, and does not count.
fn gigabytes(megabytes: i64) -> i64 {
    let Ok(megabytes) = u64::try_from(megabytes) else { return 0 };
    let gigabytes = megabytes.div_ceil(1024);
    if gigabytes == 0 { 0 } else { i64::try_from(gigabytes.next_power_of_two()).unwrap_or(i64::MAX) }
}

/// Returns the type of a machine in one spelling, with the word size of a Python that is not of 64 bits.
fn architecture(machine_type: &str, word_size: &str) -> String {
    let lower = machine_type.to_ascii_lowercase();
    let name = match lower.as_str() {
        "amd64" | "x64" | "x86-64" | "x86_64" => "x86_64",
        "arm64" | "aarch64" => "aarch64",
        "i386" | "i486" | "i586" | "i686" | "x86" => "x86",
        _ => &lower,
    };
    match (name, word_size) {
        ("", size) => size.to_owned(),
        ("x86_64" | "aarch64", size) if !size.is_empty() && size != "64bit" => format!("{name}, {size}"),
        (name, _) => name.to_owned(),
    }
}

/// Returns the name of an operating system without what follows: `Linux` of `Linux - 6.1.0-13-amd64`.
fn os_family(system: &str) -> String {
    let name: String = system.chars().take_while(|letter| letter.is_alphabetic() || *letter == '_').collect();
    match name.to_ascii_lowercase().as_str() {
        "linux" => "Linux".to_owned(),
        "darwin" | "macos" => "macOS".to_owned(),
        "windows" => "Windows".to_owned(),
        _ => name,
    }
}

/// Returns the first two numbers of a version: `3.11` of `3.11.2 (main, …) [GCC 12.2.0]`. PyPy is another Python.
fn python(version: &str) -> String {
    let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    let start = version.find(|letter: char| letter.is_ascii_digit()).unwrap_or(version.len());
    let major = number(&version[start..]);
    let rest = version[start + major.len()..].strip_prefix('.').unwrap_or_default();
    let minor = number(rest);
    let numbers = if minor.is_empty() { major } else { format!("{major}.{minor}") };
    if version.contains("PyPy") { format!("PyPy {numbers}").trim_end().to_owned() } else { numbers }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{architecture, gigabytes, os_family, python, tidy};

    #[test]
    fn memory_is_rounded_up_to_a_power_of_two() {
        for (megabytes, expected) in [
            (-1, 0),
            (0, 0),
            (1, 1),
            (1024, 1),
            (1025, 2),
            (15_886, 16),
            (16_384, 16),
            (16_385, 32),
            (32_000, 32),
            (i64::MAX, 1 << 53),
        ] {
            assert_eq!(gigabytes(megabytes), expected, "{megabytes}");
        }
    }

    #[test]
    fn texts_of_the_plugin_are_reduced_to_their_class() {
        for (version, expected) in [
            ("3.11.7 (main) [GCC 12.2.0]", "3.11"),
            ("3.12", "3.12"),
            ("3.9.16 (feb02, 2023) [PyPy 7.3.11 with GCC 10.2.1]", "PyPy 3.9"),
            ("Python 3.13.0rc1", "3.13"),
            ("3", "3"),
            ("3.x", "3"),
            ("", ""),
            ("nonsense", ""),
        ] {
            assert_eq!(python(version), expected);
        }
        for (system, expected) in [
            ("Linux - 6.1.0-13-amd64", "Linux"),
            ("Linux 6", "Linux"),
            ("Darwin - 23.1.0", "macOS"),
            ("Windows - 10", "Windows"),
            ("FreeBSD - 14.0", "FreeBSD"),
            ("", ""),
            ("- 5", ""),
        ] {
            assert_eq!(os_family(system), expected);
        }
        for (machine, size, expected) in [
            ("x86_64", "64bit", "x86_64"),
            ("AMD64", "64bit", "x86_64"),
            ("AMD64", "32bit", "x86_64, 32bit"),
            ("arm64", "", "aarch64"),
            ("i686", "32bit", "x86"),
            ("riscv64", "64bit", "riscv64"),
            ("", "64bit", "64bit"),
            ("", "", ""),
        ] {
            assert_eq!(architecture(machine, size), expected);
        }
        assert_eq!(tidy("  AMD\tEPYC  7B13 \n"), "AMD EPYC 7B13");
        assert_eq!(tidy("Unknown"), "");
    }

    proptest! {
        #[test]
        fn any_text_has_a_class(text in "\\PC*", megabytes: i64) {
            let text = tidy(&text);
            let texts = [python(&text), os_family(&text), architecture(&text, &text)];
            prop_assert!(texts.iter().all(|short| short.len() <= 2 * text.len() + 8));
            let gigabytes = gigabytes(megabytes);
            prop_assert!(gigabytes == 0 || gigabytes.count_ones() == 1);
        }
    }
}
