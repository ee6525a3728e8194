//! A host of the lab: a network namespace, and ways to act inside it.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::process::run;
use crate::{Result, scenario};

/// Longest time for one `ip` command.
const IP_LIMIT: Duration = Duration::from_secs(20);

/// A network namespace with a name for `ip netns`; deleted with this value.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// Make a namespace with loopback up.
    ///
    /// # Errors
    /// When `ip` refuses, mostly for want of rights.
    pub fn create(name: &str) -> Result<Self> {
        ip(&format!("netns add {name}"))?;
        let path = PathBuf::from("/run/netns").join(name);
        let file = File::open(&path).with_context(|| format!("{}", path.display()))?;
        let namespace = Self { name: name.to_owned(), file };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// The name, as `ip netns exec` takes it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Run `work` on a thread inside the namespace: its sockets belong to this host.
    ///
    /// # Errors
    /// When the thread cannot enter, or panics, or with the error of `work`.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))?;
                work()
            });
            inside.join().unwrap_or_else(|_| Err(anyhow!("a thread in {} panicked", self.name)))
        })
    }

    /// One `ip` command inside, words separated by spaces: `address add ... dev ...`.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn ip(&self, words: &str) -> Result {
        ip(&format!("-n {} {words}", self.name))
    }

    /// Set `net.*` kernel parameters of this host, by path below `/proc/sys/net`.
    ///
    /// # Errors
    /// When the parameter does not exist or takes no such value.
    pub fn sysctl(&self, path: &str, value: &str) -> Result {
        self.enter(|| {
            let path = PathBuf::from("/proc/sys/net").join(path);
            fs::write(&path, value).with_context(|| format!("{}", path.display()))
        })
    }

    /// A command with a program of this machine, inside the namespace.
    #[must_use]
    pub fn host_command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.name)).arg(program);
        command
    }

    /// A command with a program of the lab root, chrooted into it.
    #[must_use]
    pub fn lab_command(&self, program: &str) -> Command {
        let mut command = self.host_command("chroot");
        command.arg(scenario::lab_root()).arg(program);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/tmp");
        command.env("LC_ALL", "C.UTF-8");
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // It ends with the test's own namespaces at the latest.
        drop(ip(&format!("netns delete {}", self.name)));
    }
}

fn ip(words: &str) -> Result {
    let mut command = Command::new("ip");
    command.args(words.split_whitespace());
    run(command, IP_LIMIT)?.success().with_context(|| format!("ip {words}"))?;
    Ok(())
}
