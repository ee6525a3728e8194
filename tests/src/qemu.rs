//! One machine in QEMU, by software emulation, with its sockets.
//!
//! The processor stands still until every socket is connected, so nothing that the
//! machine says is lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::Result;
use crate::lines::Lines;
use crate::namespace::Namespace;
use crate::process::Background;
use crate::scenario::lab_root;
use crate::topology::Segment;
use crate::trunk;

/// QEMU answers at once; a busy host may not.
const ANSWER: Duration = Duration::from_secs(20);

/// What starts the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS, QEMU's own, which gets the kernel of slot A unpacked from QEMU, with the
    /// command line that the boot loader gives it. Emulated, the boot loader and the kernel's
    /// unpacking take longer than all else; both are what [`Firmware::Bios`] has.
    #[default]
    Direct,
    /// SeaBIOS, then GRUB from the disk.
    Bios,
    /// OVMF, from the lab root, then GRUB from the disk.
    Uefi,
}

/// Where the network cards are on the PCI bus. Linux counts its ports in that order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wiring {
    /// Outside 0000:00:10.0, inside 0000:00:11.0.
    #[default]
    Usual,
    /// The other way round; each keeps its cable and its MAC address.
    Swapped,
    /// As usual, with one more card before them that has no cable.
    SpareFirst,
    /// As usual, but both lead to a [`Trunk`](crate::trunk::Trunk), which was started before.
    Trunk,
}

/// A machine to be started.
#[derive(Debug)]
pub struct Machine<'a> {
    /// Its name: for taps (at most 7 letters), sockets and logs.
    pub name: &'a str,
    /// Last but one byte of its MAC addresses.
    pub number: u8,
    /// The disk image, raw.
    pub disk: &'a Path,
    /// In MiB; UEFI gets at least 512.
    pub memory: u32,
    /// Where the writes to the disk are recorded, in order; see [`disklog`](crate::disklog).
    pub record: Option<&'a Path>,
    /// A second disk, read-only.
    pub tools: Option<&'a Path>,
    /// A USB stick.
    pub stick: Option<&'a Path>,
    /// An empty disk, beside which its own is a USB one.
    pub spare: Option<&'a Path>,
    /// What starts it.
    pub firmware: Firmware,
    /// For [`Firmware::Direct`]: the directory with `vmlinux`, `initrd` and `cmdline`.
    pub kernel: &'a Path,
    /// Where the network cards are.
    pub wiring: Wiring,
    /// With the watchdog device?
    pub watchdog: bool,
    /// Does its clock go by its instructions?
    pub counted: bool,
    /// Do its programs start at random addresses? Only [`Firmware::Direct`] can do without.
    pub random_addresses: bool,
}

/// A running machine; ended when dropped.
#[derive(Debug)]
pub struct Qemu {
    process: Background,
    qmp: Lines,
    sockets: PathBuf,
}

/// Where a machine's sockets are. Short: a socket's path has at most 107 bytes. /run is the
/// test's own.
#[must_use]
pub fn sockets_of(name: &str) -> PathBuf {
    PathBuf::from("/run/mark21-lab").join(name)
}

/// A network that is a cable of the trunk's switch.
fn datagrams(sockets: &Path, id: &str, cable: &str) -> String {
    let [own, peer] = trunk::cable(sockets, cable);
    let (own, peer) = (own.display(), peer.display());
    format!("dgram,id={id},local.type=unix,local.path={own},remote.type=unix,remote.path={peer}")
}

impl Qemu {
    /// Start the machine with its processor stopped; see [`Qemu::go`].
    ///
    /// # Errors
    /// When a tap or QEMU cannot be made.
    pub fn start(wire: &Namespace, logs: &Path, machine: &Machine) -> Result<Self> {
        let name = machine.name;
        let sockets = sockets_of(name);
        fs::create_dir_all(&sockets).with_context(|| format!("{}", sockets.display()))?;
        let mut command = wire.host_command("qemu-system-x86_64");
        command.args(["-name", name, "-S", "-machine", "q35", "-accel", "tcg", "-smp", "1"]);
        command.args(["-nodefaults", "-no-user-config", "-display", "none"]);
        match machine.firmware {
            Firmware::Direct => {
                let line = fs::read_to_string(machine.kernel.join("cmdline"))?;
                let fixed = if machine.random_addresses { "" } else { " norandmaps" };
                command.arg("-kernel").arg(machine.kernel.join("vmlinux"));
                command.arg("-initrd").arg(machine.kernel.join("initrd"));
                command.args(["-append", &format!("{}{fixed}", line.trim())]);
            }
            Firmware::Bios => {}
            Firmware::Uefi => {
                command.arg("-bios").arg(lab_root().join("usr/share/ovmf/OVMF.fd"));
            }
        }
        let least = if machine.firmware == Firmware::Uefi { 512 } else { 0 };
        command.args(["-m", &machine.memory.max(least).to_string()]);
        let mut option = |flag: &str, value: String| {
            command.arg(flag).arg(value);
        };
        let socket = |id: &str| format!("socket,id={id},path={}/{id},server=on,wait=off", sockets.display());
        let log = format!(",logfile={}/{name}-console.log,logappend=on", logs.display());
        match machine.record {
            None => option("-drive", format!("if=none,id=disk,format=raw,file={}", machine.disk.display())),
            Some(log) => {
                for (node, file) in [("kept", machine.disk), ("log", log)] {
                    let file = file.display();
                    option(
                        "-blockdev",
                        format!("driver=raw,node-name={node},file.driver=file,file.filename={file}"),
                    );
                }
                option("-blockdev", "driver=blklogwrites,node-name=disk,file=kept,log=log".into());
            }
        }
        if machine.spare.is_some() || machine.stick.is_some() {
            option("-device", "qemu-xhci".into());
        }
        match machine.spare {
            None => option("-device", "virtio-blk-pci,drive=disk,bootindex=1".into()),
            Some(spare) => {
                option("-device", "usb-storage,drive=disk,bootindex=1".into());
                option("-drive", format!("if=none,id=spare,format=raw,file={}", spare.display()));
                option("-device", "virtio-blk-pci,drive=spare".into());
            }
        }
        if let Some(tools) = machine.tools {
            option("-drive", format!("if=none,id=tools,format=raw,readonly=on,file={}", tools.display()));
            option("-device", "virtio-blk-pci,drive=tools".into());
        }
        if let Some(stick) = machine.stick {
            option("-drive", format!("if=none,id=stick,format=raw,file={}", stick.display()));
            option("-device", "usb-storage,drive=stick".into());
        }
        option("-chardev", socket("console") + &log);
        option("-serial", "chardev:console".into());
        option("-chardev", socket("machine"));
        option("-serial", "chardev:machine".into());
        option("-device", "virtio-serial-pci".into());
        option("-chardev", socket("agent"));
        option("-device", "virtserialport,chardev=agent,name=mark21.agent".into());
        option("-device", "virtio-rng-pci".into());
        if machine.counted {
            // 8 ns each, which is about how fast they are emulated; at rest the host's clock counts.
            option("-icount", "shift=3,sleep=on".into());
        }
        if machine.watchdog {
            option("-device", "i6300esb".into());
            option("-action", "watchdog=reset".into());
        }
        option("-qmp", format!("unix:{}/qmp,server=on,wait=off", sockets.display()));
        let slots = if machine.wiring == Wiring::Swapped { ["11", "10"] } else { ["10", "11"] };
        if machine.wiring == Wiring::SpareFirst {
            option("-device", "virtio-net-pci,mac=52:54:00:21:00:99,addr=0f,romfile=".into());
        }
        let segments = [(1, Segment::Outside), (2, Segment::Inside)];
        for (((index, segment), slot), trunk) in segments.into_iter().zip(slots).zip(trunk::TRUNKS) {
            let tap = format!("{name}-{}", segment.name());
            // A machine that ran before has left its taps, without carrier.
            if wire.ip(&format!("link show {tap}")).is_err() {
                wire.ip(&format!("tuntap add {tap} mode tap"))?;
                wire.ip(&format!("link set {tap} master {} up", segment.name()))?;
            }
            let id = segment.name();
            let tap = format!("ifname={tap},script=no,downscript=no");
            if machine.wiring == Wiring::Trunk {
                option("-netdev", datagrams(&sockets, id, trunk));
                option("-netdev", datagrams(&sockets, &format!("vlan-{id}"), id));
                option("-netdev", format!("tap,id=tap-{id},vnet_hdr=off,{tap}"));
                for end in ["vlan", "tap"] {
                    option("-netdev", format!("hubport,id=hub-{end}-{id},hubid={index},netdev={end}-{id}"));
                }
            } else {
                option("-netdev", format!("tap,id={id},{tap}"));
            }
            let mac = format!("52:54:00:21:{:02x}:{index:02x}", machine.number);
            // No option ROM: it never boots from the network. LACP asks for the speed.
            let card = format!("virtio-net-pci,netdev={id},id=nic-{id},mac={mac},addr={slot},romfile=");
            option("-device", card + ",speed=1000,duplex=full");
        }
        let log = logs.join(format!("{name}-qemu.log"));
        let mut process = Background::start("qemu", command, &log)?;
        let qmp = Lines::connect("QMP", &sockets.join("qmp"));
        if let Err(ended) = process.ensure_running() {
            bail!("{ended}: {}", fs::read_to_string(&log).unwrap_or_default());
        }
        let mut qemu = Self { process, qmp: qmp?, sockets };
        qemu.execute("qmp_capabilities", json!({}))?;
        Ok(qemu)
    }

    /// Connect to one of `console`, `machine`, `agent`.
    ///
    /// # Errors
    /// When QEMU is gone.
    pub fn socket(&self, id: &str) -> Result<Lines> {
        Lines::connect(id, &self.sockets.join(id))
    }

    /// The path of one of the sockets, for other programs.
    #[must_use]
    pub fn socket_path(&self, id: &str) -> PathBuf {
        self.sockets.join(id)
    }

    /// Let the processor run.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn go(&mut self) -> Result {
        self.execute("cont", json!({})).map(drop)
    }

    /// Reset the machine in the middle of whatever it does: a short power cut.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn reset(&mut self) -> Result {
        self.execute("system_reset", json!({})).map(drop)
    }

    /// Pull or plug the cable of the interface on `segment`.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn set_link(&mut self, segment: Segment, up: bool) -> Result {
        let id = format!("nic-{}", segment.name());
        self.execute("set_link", json!({ "name": id, "up": up })).map(drop)
    }

    /// Wait for an event that comes from now on; gives its data.
    ///
    /// # Errors
    /// When it does not come within `limit`, or QEMU is gone.
    pub fn event(&mut self, name: &str, limit: Duration) -> Result<Value> {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.qmp.receive(left)?;
            let line = line.with_context(|| format!("QMP: no event {name} within {limit:?}"))?;
            let mut event: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
            if event.get("event").and_then(Value::as_str) == Some(name) {
                return Ok(event.get_mut("data").map(Value::take).unwrap_or_default());
            }
        }
    }

    /// Any QMP command; what it returns.
    ///
    /// # Errors
    /// When QEMU refuses, is gone, or does not answer.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        self.process.ensure_running()?;
        self.qmp.send(&json!({ "execute": command, "arguments": arguments }).to_string())?;
        let end = Instant::now() + ANSWER;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.qmp.receive(left)?.with_context(|| format!("QMP {command}: no answer"))?;
            let mut answer: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                bail!("QMP {command}: {error}");
            }
            // The greeting or an event.
        }
    }
}
