//! A director: its disk image, its machine, and the ways to talk to it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::machine::MachinePort;
use crate::namespace::Namespace;
use crate::process::run;
use crate::qemu::{Firmware, Machine, Qemu, Wiring};
use crate::scenario::{skip, target_directory, tests_directory};
use crate::tools::{MOUNT, PLACE, make_disk};
use crate::topology::Segment;
use crate::{Result, eventually};

/// From power-on to the last check, in software emulation on a host that is busy with other
/// things. On a quiet one it is 5 to 15 s.
pub const BOOT: Duration = Duration::from_secs(300);
/// One command of the machine port or the agent.
pub const ANSWER: Duration = Duration::from_secs(30);

/// What the configuration partition holds, and what starts the machine.
#[derive(Clone, Debug)]
pub struct Boot {
    /// Name of the machine, at most 7 letters.
    pub name: String,
    /// Which of several machines on the same wires: last but one byte of its MAC addresses.
    pub number: u8,
    /// The text of `mark21.toml`, if there is one.
    pub configuration: Option<String>,
    /// The text of `extra.nft`, if there is one.
    pub extra: Option<String>,
    /// The root file system in its slots; `None`: the one of this run ([`root_file_system`]).
    pub root: Option<PathBuf>,
    /// CPU microcode in the boot area.
    pub microcode: Option<PathBuf>,
    /// What starts the machine.
    pub firmware: Firmware,
    /// Seconds that the boot menu waits; none is shown with 0.
    pub menu: u32,
    /// Memory in MiB. UEFI has at least 512: OVMF keeps so much of 256 that GRUB cannot load a
    /// kernel.
    pub memory: u32,
    /// Its writes to the disk are recorded in `NAME-writes.log`.
    pub record: bool,
    /// Programs on a disk beside the director's own; see [`tools`](crate::tools).
    pub tools: Vec<PathBuf>,
    /// The image of a USB stick that is plugged in.
    pub stick: Option<PathBuf>,
    /// An empty disk; its own is a USB disk then.
    pub spare: Option<PathBuf>,
    /// Where its network cards are.
    pub wiring: Wiring,
    /// With a hardware watchdog, which resets a machine whose supervisor stands still.
    pub watchdog: bool,
    /// Its clock goes by its instructions: how long its processor is busy depends on nothing else that
    /// the host does.
    pub counted: bool,
    /// Its programs start at random addresses, as on every box. Emulated, a program is translated anew
    /// for each address, which takes longer than it runs: with [`Firmware::Direct`], only figures need it.
    pub random_addresses: bool,
}

impl Boot {
    /// With a file of `tests/configs/`.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn with_file(name: &str) -> Result<Self> {
        let path = tests_directory().join("configs").join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        Ok(Self::with_text(&text))
    }

    /// With this text.
    #[must_use]
    pub fn with_text(text: &str) -> Self {
        Self { configuration: Some(text.to_owned()), ..Self::with_nothing() }
    }

    /// With another text in the place of this one.
    ///
    /// # Errors
    /// When the configuration has no such text.
    pub fn replace(mut self, text: &str, other: &str) -> Result<Self> {
        let old = self.configuration.unwrap_or_default();
        ensure!(old.contains(text), "{}: the configuration has no {text:?}", self.name);
        self.configuration = Some(old.replace(text, other));
        Ok(self)
    }

    /// With more text at its end.
    #[must_use]
    pub fn and(mut self, text: &str) -> Self {
        self.configuration = Some(self.configuration.unwrap_or_default() + text);
        self
    }

    /// With an empty configuration partition.
    #[must_use]
    pub fn with_nothing() -> Self {
        Self {
            name: "dir-a".into(),
            number: 1,
            configuration: None,
            extra: None,
            root: None,
            microcode: None,
            firmware: Firmware::default(),
            menu: 0,
            memory: 256,
            record: false,
            tools: Vec::new(),
            stick: None,
            spare: None,
            wiring: Wiring::default(),
            watchdog: true,
            counted: false,
            random_addresses: false,
        }
    }
}

/// A running director; ended when dropped.
#[derive(Debug)]
pub struct Director {
    /// The machine.
    pub qemu: Qemu,
    /// Commands as an operator's program gives them.
    pub port: MachinePort,
    /// Root inside.
    pub agent: Agent,
    console_log: PathBuf,
}

impl Director {
    /// Make a disk image for `boot` and start a machine from it.
    ///
    /// # Errors
    /// When there is no root file system to boot (a skip), or on any other trouble.
    pub fn boot(wire: &Namespace, directory: &Path, boot: &Boot) -> Result<Self> {
        assemble(directory, boot)?;
        if !boot.tools.is_empty() {
            make_disk(&boot.tools, &tools_of(directory, boot))?;
        }
        Self::power_on(wire, directory, boot)
    }

    /// Start the machine once more from the disk that [`Director::boot`] made and a power
    /// cut left.
    ///
    /// # Errors
    /// When the disk is not there or QEMU does not start.
    pub fn power_on(wire: &Namespace, directory: &Path, boot: &Boot) -> Result<Self> {
        let kernel = kernel(boot);
        let firmware = match boot.firmware {
            Firmware::Direct if !kernel.exists() => Firmware::Bios,
            firmware => firmware,
        };
        let tools = (!boot.tools.is_empty()).then(|| tools_of(directory, boot));
        let record = directory.join(format!("{}-writes.log", boot.name));
        if boot.record {
            fs::File::create(&record).with_context(|| format!("{}", record.display()))?;
        }
        let machine = Machine {
            name: &boot.name,
            number: boot.number,
            disk: &disk_of(directory, boot),
            memory: boot.memory,
            record: boot.record.then_some(&*record),
            tools: tools.as_deref(),
            stick: boot.stick.as_deref(),
            spare: boot.spare.as_deref(),
            firmware,
            kernel: &kernel,
            wiring: boot.wiring,
            watchdog: boot.watchdog,
            counted: boot.counted,
            random_addresses: boot.random_addresses,
        };
        let log = |id: &str| directory.join(format!("{}-{id}.log", boot.name));
        let mut qemu = Qemu::start(wire, directory, &machine)?;
        let port = MachinePort::new(qemu.socket("machine")?.keep_in(&log("machine"))?);
        let agent = Agent::new(qemu.socket("agent")?.keep_in(&log("agent"))?);
        qemu.go()?;
        Ok(Self { qemu, port, agent, console_log: log("console") })
    }

    /// `status`, as JSON.
    ///
    /// # Errors
    /// When there is no answer, or it is an error.
    pub fn status(&mut self) -> Result<Value> {
        self.port.command("status", ANSWER)
    }

    /// Wait for the state `serving`; gives the status.
    ///
    /// # Errors
    /// When it does not come, or the director came up fail-secure.
    pub fn wait_serving(&mut self) -> Result<Value> {
        self.wait_state("serving")
    }

    /// Wait for the state `fail-secure`; gives the status.
    ///
    /// # Errors
    /// When it does not come, or the director serves.
    pub fn wait_fail_secure(&mut self) -> Result<Value> {
        self.wait_state("fail-secure")
    }

    /// Cut the power for a moment.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn power_cut(&mut self) -> Result {
        self.qemu.reset()?;
        self.agent.will_restart()?;
        self.port.has_restarted();
        Ok(())
    }

    /// Cut the power and leave it off; [`Lab::power_on`](crate::Lab::power_on) starts it again.
    pub fn power_off(self) {
        drop(self);
    }

    /// Restart the machine from inside, with what is not written yet lost.
    ///
    /// # Errors
    /// When the agent cannot be told, or the machine goes on.
    pub fn reboot(&mut self) -> Result {
        self.agent.wait_ready(BOOT)?;
        self.agent.will_restart()?;
        // Whatever QEMU has told so far is not about this restart.
        self.qemu.execute("query-status", json!({}))?;
        self.agent.send("reboot -f")?;
        // Until then the old system answers.
        self.qemu.event("RESET", BOOT)?;
        self.port.has_restarted();
        Ok(())
    }

    /// What `show server-config` says that vsftpd must carry for this service.
    ///
    /// # Errors
    /// When there is no such service.
    pub fn server_config(&mut self, service: &str) -> Result<String> {
        let answer = self.port.command(&format!("show server-config {service} vsftpd"), ANSWER)?;
        let lines = answer.get("vsftpd").and_then(Value::as_str);
        Ok(lines.with_context(|| format!("no lines for vsftpd in {answer}"))?.to_owned())
    }

    /// Run a command as root that must succeed; gives its output.
    ///
    /// # Errors
    /// When it does not succeed.
    pub fn root(&mut self, command: &str) -> Result<String> {
        self.agent.succeed(command, ANSWER)
    }

    /// The memory in use, KiB: of the kernel, the file systems in memory and every program.
    ///
    /// # Errors
    /// When the agent cannot be asked.
    pub fn memory_in_use(&mut self) -> Result<u64> {
        let used = "awk '/^MemTotal/ { all = $2 } /^MemAvailable/ { free = $2 } END { print all - free }' /proc/meminfo";
        Ok(self.root(used)?.trim().parse()?)
    }

    /// Run one of [`Boot::tools`] as root; it must succeed. Gives its output.
    ///
    /// # Errors
    /// When it does not succeed.
    pub fn tool(&mut self, command: &str) -> Result<String> {
        self.root(&format!("[ -d {PLACE} ] || {{ {MOUNT}; }}; LD_LIBRARY_PATH={PLACE} {PLACE}/{command}"))
    }

    /// Make a text file, readable for everybody.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, path: &str, text: &str) -> Result {
        // A shell is slow at reading long texts, and the agent's line has a bound.
        const LINES: usize = 1000;
        self.root(&format!("umask 022; : > {path}"))?;
        let lines: Vec<&str> = text.lines().collect();
        for part in lines.chunks(LINES) {
            self.root(&format!("cat >> {path} << 'END'\n{}\nEND", part.join("\n")))?;
        }
        Ok(())
    }

    /// Pull or plug a cable.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn set_link(&mut self, segment: Segment, up: bool) -> Result {
        self.qemu.set_link(segment, up)
    }

    /// What the first serial port has printed so far. While somebody is plugged in who reads slower than
    /// the port writes, QEMU notes the byte that has to wait twice; what he gets, and a
    /// [`Screen`](crate::screen::Screen) shows, has it once.
    #[must_use]
    pub fn console_log(&self) -> String {
        fs::read(&self.console_log)
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .unwrap_or_default()
    }

    fn wait_state(&mut self, wanted: &str) -> Result<Value> {
        let mut over = None;
        let status = eventually(&format!("state {wanted:?}"), BOOT, || {
            let status = self.status()?;
            match status.get("state").and_then(Value::as_str) {
                Some(state) if state == wanted => Ok(Ok(status)),
                Some(state @ ("serving" | "fail-secure")) => {
                    over = Some(format!("the director is {state}, not {wanted}: {status:#}"));
                    Ok(Err(()))
                }
                _ => bail!("status: {status}"),
            }
        })?;
        status.or_else(|()| bail!(over.unwrap_or_default()))
    }
}

/// The image of a director, made for this boot from the root file system that the
/// build left (`MARK21_ROOT_SQUASHFS`, with the test agent). The same boot makes the same image.
///
/// # Errors
/// When there is no root file system to boot (a skip), or `image/assemble` fails.
pub fn assemble(directory: &Path, boot: &Boot) -> Result {
    let root = root_of(boot);
    if !root.exists() {
        return skip(format!("{} is not there: tests/run makes it", root.display()));
    }
    let mut command = Command::new(tests_directory().join("../image/assemble"));
    command
        .args(["--grub-timeout", &boot.menu.to_string()])
        .arg("--root")
        .arg(root)
        .arg("--out")
        .arg(disk_of(directory, boot));
    if let Some(text) = &boot.configuration {
        let file = directory.join(format!("{}.toml", boot.name));
        fs::write(&file, text)?;
        command.arg("--config").arg(file);
    }
    if let Some(text) = &boot.extra {
        let file = directory.join(format!("{}-extra.nft", boot.name));
        fs::write(&file, text)?;
        command.arg("--extra-nft").arg(file);
    }
    if let Some(file) = &boot.microcode {
        command.arg("--microcode").arg(file);
    }
    if boot.root.is_some() {
        // The loader of this run is that of its own root file system.
        command.env_remove("MARK21_GRUB");
    }
    run(command, BOOT)?.success().context("image/assemble")?;
    Ok(())
}

/// The root file system that directors boot, whether or not it is there.
#[must_use]
pub fn root_file_system() -> PathBuf {
    let named = env::var_os("MARK21_ROOT_SQUASHFS").map(PathBuf::from);
    named.unwrap_or_else(|| target_directory().join("lab/test-root.squashfs"))
}

fn root_of(boot: &Boot) -> PathBuf {
    boot.root.clone().unwrap_or_else(root_file_system)
}

/// The kernel of a boot's root file system, unpacked: `test-root.kernel/` beside
/// `test-root.squashfs`. Where there is none, machines start by the boot loader.
fn kernel(boot: &Boot) -> PathBuf {
    root_of(boot).with_extension("kernel")
}

/// The disk image of a boot.
#[must_use]
pub fn disk_of(directory: &Path, boot: &Boot) -> PathBuf {
    directory.join(format!("{}.img", boot.name))
}

fn tools_of(directory: &Path, boot: &Boot) -> PathBuf {
    directory.join(format!("{}-tools.img", boot.name))
}
