//! A real vsftpd on a real server: one process for IPv4 and one for IPv6 (with
//! `listen_ipv6` and `pasv_address` it announces 0.0.0.0), or what the director asks.
//!
//! Anonymous, so that it needs no accounts: `whoami.txt` says which server this is,
//! `big.bin` differs from server to server, `upload/` takes files.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Gid, Uid, geteuid};

use crate::content::Content;
use crate::ftp::connect_within;
use crate::namespace::Namespace;
use crate::process::Background;
use crate::{Result, eventually, scenario};

/// The user `ftp` in the lab root's /etc/passwd.
const FTP_USER: (u32, u32) = (105, 110);

/// How the servers are set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The control port.
    pub port: u16,
    /// First and last port of passive data connections.
    pub passive_ports: (u16, u16),
    /// Length of `big.bin` in bytes.
    pub length: usize,
    /// Explicit FTPS on top of plain FTP.
    pub tls: bool,
    /// What the director says that vsftpd must carry, instead of `port`,
    /// `passive_ports` and the listening lines; see
    /// [`Director::server_config`](crate::Director::server_config).
    pub lines: Option<String>,
    /// More lines for both configurations.
    pub extra: String,
    /// More lines for the IPv4 configuration (`pasv_address`).
    pub extra_ipv4: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 21,
            passive_ports: (10_000, 20_000),
            length: 20_000_000,
            tls: false,
            lines: None,
            extra: String::new(),
            extra_ipv4: String::new(),
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct FtpServer {
    /// `rs1` or `rs2`, as in `whoami.txt`.
    pub name: String,
    /// What `big.bin` holds.
    pub content: Content,
    root: PathBuf,
    processes: Vec<Background>,
}

impl FtpServer {
    /// Start it on the host `namespace` at its addresses; returns when it listens.
    ///
    /// # Errors
    /// When it does not.
    pub fn start(
        namespace: &Namespace,
        addresses: [IpAddr; 2],
        settings: &Settings,
        logs: &Path,
    ) -> Result<Self> {
        let name = namespace.name().to_owned();
        let content = Content::generate(&name, settings.length);
        let root = scenario::lab_root().join("srv").join(&name);
        make_files(&root, &name, &content)?;
        let mut processes = Vec::new();
        let one_is_enough = settings.lines.as_deref().is_some_and(|lines| !needs_two_instances(lines));
        for address in addresses.into_iter().take(if one_is_enough { 1 } else { 2 }) {
            let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
            let file = format!("run/vsftpd-{name}-{family}.conf");
            let text = configuration(&name, address, settings);
            fs::write(scenario::lab_root().join(&file), &text)?;
            fs::write(logs.join(format!("vsftpd-{name}-{family}.conf")), text)?;
            let mut command = namespace.lab_command("vsftpd");
            command.arg(format!("/{file}"));
            let log = logs.join(format!("vsftpd-{name}-{family}.log"));
            let mut process = Background::start("vsftpd", command, &log)?;
            let socket = SocketAddr::new(address, settings.port);
            eventually(&format!("vsftpd at {socket}"), Duration::from_secs(10), || {
                process.ensure_running().with_context(|| format!("see {}", log.display()))?;
                namespace.enter(|| connect_within(address, socket, Duration::from_secs(1)))
            })?;
            processes.push(process);
        }
        Ok(Self { name, content, root, processes })
    }

    /// What a client uploaded under this name.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn uploaded(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.root.join("upload").join(name);
        fs::read(&path).with_context(|| format!("{}", path.display()))
    }

    /// Stop it, as a crash does.
    pub fn stop(&mut self) {
        self.processes.clear();
    }
}

fn make_files(root: &Path, name: &str, content: &Content) -> Result {
    let upload = root.join("upload");
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    fs::create_dir_all(&upload)?;
    fs::write(root.join("whoami.txt"), format!("{name}\n"))?;
    fs::write(root.join("big.bin"), &content.bytes)?;
    if is_root() {
        let (user, group) = FTP_USER;
        let owner = (Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
        rustix::fs::chown(&upload, owner.0, owner.1)?;
    }
    Ok(())
}

fn configuration(name: &str, address: IpAddr, settings: &Settings) -> String {
    let own = own_lines(address, settings);
    let tls = if settings.tls { TLS } else { "" };
    // Root of a user namespace with a single user cannot drop its groups.
    let user = if is_root() { "" } else { "run_as_launching_user=YES\n" };
    let director = settings.lines.as_deref().map_or(own, |lines| directors_lines(lines, address));
    format!("anon_root=/srv/{name}\n{COMMON}{user}{tls}{director}{}", settings.extra)
}

/// The director's lines as they are for the instance that they describe; for the second
/// one, which their comment asks for, with the changes of the comment.
fn directors_lines(lines: &str, address: IpAddr) -> String {
    if address.is_ipv4() || !needs_two_instances(lines) {
        return lines.to_owned();
    }
    let is_other = |line: &&str| !line.starts_with("listen") && !line.starts_with("pasv_address");
    let mut text: String = lines.lines().filter(is_other).map(|line| format!("{line}\n")).collect();
    // listen_port was among what begins with "listen"; it stays the same.
    text.extend(lines.lines().filter(|line| line.starts_with("listen_port")).map(|line| format!("{line}\n")));
    text + &format!("listen=NO\nlisten_ipv6=YES\nlisten_address6={address}\n")
}

fn needs_two_instances(lines: &str) -> bool {
    lines.lines().any(|line| line == "listen=YES")
}

fn own_lines(address: IpAddr, settings: &Settings) -> String {
    let (listen, extra) = match address {
        IpAddr::V4(address) => (format!("listen=YES\nlisten_address={address}"), &settings.extra_ipv4[..]),
        IpAddr::V6(address) => (format!("listen=NO\nlisten_ipv6=YES\nlisten_address6={address}"), ""),
    };
    let (port, (first, last)) = (settings.port, settings.passive_ports);
    format!(
        "{listen}\nlisten_port={port}\nftp_data_port={}\nconnect_from_port_20=YES\n\
         pasv_min_port={first}\npasv_max_port={last}\n{extra}",
        port - 1,
    )
}

/// Real root, or root of a user namespace that has one user only?
pub(crate) fn is_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    geteuid().is_root() && map.split_whitespace().nth(2).is_some_and(|count| count != "1")
}

const COMMON: &str = "\
background=NO
anonymous_enable=YES
local_enable=NO
write_enable=YES
anon_upload_enable=YES
anon_other_write_enable=YES
anon_world_readable_only=NO
anon_umask=022
secure_chroot_dir=/run/empty
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
";

/// `require_ssl_reuse` off: Python's ftplib does not take the control connection's
/// session over to data connections.
const TLS: &str = "\
ssl_enable=YES
allow_anon_ssl=YES
force_local_logins_ssl=NO
force_local_data_ssl=NO
require_ssl_reuse=NO
ssl_ciphers=HIGH
rsa_cert_file=/etc/ssl/lab.pem
rsa_private_key_file=/etc/ssl/lab.key
";
