//! Builds `web/` into the binary where Node and the npm registry are there, and says so where they are not.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

fn main() {
    for input in [
        "index.html",
        "graphiql.html",
        "package-lock.json",
        "vite.config.ts",
        "tsconfig.json",
        "src",
        "public",
        "examples",
    ] {
        println!("cargo::rerun-if-changed=web/{input}");
    }
    println!("cargo::rerun-if-env-changed=METROGRAPH_WITHOUT_WEB");
    let target = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("web");
    // The folder must be there for the binary to embed, if only empty.
    let _ = fs::remove_dir_all(&target);
    let built = fs::create_dir_all(&target).map_err(|error| error.to_string()).and_then(|()| build(&target));
    if let Err(reason) = built {
        println!("cargo::warning=the start page and GraphiQL are left out, a plain page stands in for them: {reason}");
    }
}

fn build(target: &Path) -> Result<(), String> {
    if env::var_os("METROGRAPH_WITHOUT_WEB").is_some() {
        return Err("METROGRAPH_WITHOUT_WEB is set".to_owned());
    }
    npm(&["ci", "--no-audit", "--no-fund"])?;
    npm(&["run", "build"])?;
    copy(Path::new("web/dist"), target).map_err(|error| format!("web/dist can't be copied: {error}"))
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
