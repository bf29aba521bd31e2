//! Builds `web/` into the binary where Node and the npm registry are there, and says so where they are not; names the commit.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
    process::Command,
};

/// What the pages are built from.
const WEB: &[&str] = &[
    "web/index.html",
    "web/graphiql.html",
    "web/package.json",
    "web/package-lock.json",
    "web/vite.config.ts",
    "web/tsconfig.json",
    "web/src",
    "web/public",
    "web/examples",
    "web/questions",
];

fn main() {
    web();
    version();
}

/// Puts the pages where the binary embeds them from.
fn web() {
    for input in WEB {
        println!("cargo::rerun-if-changed={input}");
    }
    for variable in ["METROGRAPH_WITHOUT_WEB", "METROGRAPH_WEB_DIST"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    if let Ok(dist) = env::var("METROGRAPH_WEB_DIST") {
        println!("cargo::rerun-if-changed={dist}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let (target, stamp) = (out.join("web"), out.join("web.stamp"));
    let made_from = env::var_os("METROGRAPH_WITHOUT_WEB").is_none().then(inputs).and_then(Result::ok);
    // Another commit is no reason to build the same pages again.
    if made_from.is_some_and(|made_from| fs::read_to_string(&stamp).is_ok_and(|last| last == made_from.to_string())) {
        return;
    }
    let _ = fs::remove_file(&stamp);
    // The folder must be there for the binary to embed, if only empty.
    let _ = fs::remove_dir_all(&target);
    let built = fs::create_dir_all(&target).map_err(|error| error.to_string()).and_then(|()| build(&target));
    match (built, made_from) {
        (Ok(()), Some(made_from)) => {
            let _ = fs::write(stamp, made_from.to_string());
        }
        (Ok(()), None) => {}
        (Err(reason), _) => println!(
            "cargo::warning=the start page and GraphiQL are left out, a plain page stands in for them: {reason}"
        ),
    }
}

/// A digest of everything that the pages are built from.
fn inputs() -> io::Result<u64> {
    let mut digest = DefaultHasher::new();
    for input in WEB {
        add(Path::new(input), &mut digest)?;
    }
    if let Some(dist) = env::var_os("METROGRAPH_WEB_DIST") {
        add(Path::new(&dist), &mut digest)?;
    }
    Ok(digest.finish())
}

fn add(path: &Path, digest: &mut DefaultHasher) -> io::Result<()> {
    path.hash(digest);
    if !path.is_dir() {
        fs::read(path)?.hash(digest);
        return Ok(());
    }
    let mut inside = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    inside.sort();
    inside.iter().try_for_each(|path| add(path, digest))
}

fn build(target: &Path) -> Result<(), String> {
    if env::var_os("METROGRAPH_WITHOUT_WEB").is_some() {
        return Err("METROGRAPH_WITHOUT_WEB is set".to_owned());
    }
    let dist = env::var_os("METROGRAPH_WEB_DIST").map(PathBuf::from);
    if dist.is_none() {
        npm(&["ci", "--no-audit", "--no-fund"])?;
        npm(&["run", "build"])?;
    }
    let dist = dist.unwrap_or_else(|| PathBuf::from("web/dist"));
    copy(&dist, target).map_err(|error| format!("{} can't be copied: {error}", dist.display()))
}

fn npm(arguments: &[&str]) -> Result<(), String> {
    let command = arguments.join(" ");
    let output = Command::new("npm").args(arguments).current_dir("web").output();
    let output = output.map_err(|error| format!("npm can't be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").to_owned();
    Err(format!("npm {command} failed: {line}"))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Sets what `src/version.rs` reads: the commit where it is known, and the line that `--version` prints.
fn version() {
    let number = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let line = match commit() {
        Some(commit) => {
            println!("cargo::rustc-env=METROGRAPH_BUILD_COMMIT={commit}");
            format!("{number} ({})", commit.get(..12).unwrap_or(&commit))
        }
        None => number,
    };
    println!("cargo::rustc-env=METROGRAPH_BUILD_VERSION={line}");
}

/// Returns `METROGRAPH_COMMIT`, or what git has checked out where these sources are its own.
///
/// Builds for development ask git nothing, since each commit would have all of the program compiled again.
fn commit() -> Option<String> {
    println!("cargo::rerun-if-env-changed=METROGRAPH_COMMIT");
    if let Some(given) = env::var("METROGRAPH_COMMIT").ok().filter(|given| !given.is_empty()) {
        if given.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Some(given);
        }
        println!("cargo::error=METROGRAPH_COMMIT: give the hash of a commit");
        return None;
    }
    let is_released = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if !is_released || !Path::new(".git").exists() {
        return None;
    }
    // The log of what was checked out grows with each commit, branch and rebase; where none is kept, HEAD changes with branches.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists());
    if let Some(watched) = log.or_else(|| git(&["rev-parse", "--git-path", "HEAD"])) {
        println!("cargo::rerun-if-changed={watched}");
    }
    git(&["rev-parse", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("--git-dir=.git").args(arguments).output().ok()?;
    let text = output.status.success().then_some(output.stdout).and_then(|text| String::from_utf8(text).ok())?;
    Some(text.trim_end().to_owned())
}
