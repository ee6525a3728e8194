//! The largest set: 256 services with 4096 real servers.

use std::env;
use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use mark21_lab::{Boot, Result};

const SERVICES: u16 = 256;
const SERVERS_EACH: u16 = 16;
/// In MiB: mark21d, what is measured beside it, and nft with its JSON, all at once.
const MEMORY: u32 = 768;

/// A director with that set, and nothing that would mend what is done to its kernel by hand
/// once mark21d is stopped.
pub(crate) fn largest(tools: Vec<PathBuf>) -> Result<Boot> {
    let boot = Boot::with_file("single.toml")?.replace("10.21.0.1/24", "10.21.0.1/16")?;
    let text = boot.configuration.context("single.toml is empty")?;
    let (head, _) = text.split_once("[[service]]").context("single.toml has no service")?;
    let mut text = head.to_owned();
    for service in 0..SERVICES {
        let port = 8000 + service;
        write!(
            text,
            "[[service]]\nname = \"s{service}\"\nkind = \"tcp\"\nport = {port}\n\
             addresses = [\"198.51.100.21\"]\n[service.check]\nkind = \"off\"\n"
        )?;
        for server in 0..SERVERS_EACH {
            let last = 11 + server;
            writeln!(
                text,
                "[[service.real_server]]\naddresses = [\"10.21.{service}.{last}\"]\nport = {port}"
            )?;
        }
    }
    Ok(Boot {
        configuration: Some(text),
        tools,
        memory: MEMORY,
        watchdog: false,
        random_addresses: true,
        ..Boot::with_nothing()
    })
}

/// The program that applies a configuration with Mark21's own crates and tells the time of each
/// part; `tests/run bench` builds it.
pub(crate) fn apply() -> Result<PathBuf> {
    let own = env::current_exe()?;
    let path = own.parent().context("a program's path")?.join("examples/apply");
    ensure!(path.exists(), "{} is not there: tests/run bench builds it", path.display());
    Ok(path)
}
