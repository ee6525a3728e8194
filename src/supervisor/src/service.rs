//! The object that stands for the box. Each method asks the [`Door`]; what changes anything asks
//! for the right to do so first.

use std::collections::HashMap;
use std::sync::Arc;

use mark21_api::status::{CaptureOptions, CommitOptions};
use mark21_api::verdict;
use zbus::fdo::Result;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, interface};

use crate::door::{Door, beside};
use crate::listen::user_name;
use crate::objects::problems;
use crate::refusal::Refusal;

/// Log lines handed out in one call at most.
const LOG_LINES: u32 = 1000;

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) rights: Rights,
    /// His user name; empty where each message has a sender of its own.
    pub(crate) name: String,
}

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// Read, but no secrets.
    Read,
    /// Read all and change: root, the group `admin`, or whom the bus's policy let through.
    Change,
}

/// The box as a whole, as the interface sees it.
pub(crate) struct Director {
    door: Door,
    caller: Caller,
}

#[interface(name = "org.mark21.Director1")]
impl Director {
    /// Everything that the box knows of itself, as one consistent snapshot.
    async fn status(&self) -> Result<Arc<String>> {
        Ok(self.door.status().await?)
    }

    /// Reads a configuration text and tells what is wrong with it, changing nothing.
    async fn check(&self, text: &str) -> Result<String> {
        let text = text.to_owned();
        to_json(&beside(move || verdict::check(text.as_bytes(), "configuration").0).await?)
    }

    /// What applying this text would change, changing nothing; an empty text is the running
    /// configuration compared with the kernel.
    async fn plan(&self, text: &str) -> Result<String> {
        to_json(&self.door.plan(text).await?)
    }

    /// Hands virtual routers over to the other box: one by its name, a sync group by its name, or
    /// `all`.
    async fn resign(&self, name: &str) -> Result<()> {
        self.may_change()?;
        Ok(self.door.resign(name).await?)
    }

    /// The firewall's rules with their counters and causes.
    async fn firewall(&self) -> Result<String> {
        to_json(&self.door.firewall().await?)
    }

    /// What the FTP servers behind a service must carry, by the server program's name.
    async fn server_config(&self, service: &str) -> Result<HashMap<String, String>> {
        Ok(self.door.server_config(service).await?)
    }

    /// The newest lines of the supervisor's log, oldest first.
    #[expect(clippy::unused_self, reason = "the interface macro wants a method")]
    fn log(&self, lines: u32) -> Vec<String> {
        crate::log::newest(usize::try_from(lines.min(LOG_LINES)).unwrap_or(usize::MAX))
    }

    /// The configurations that ran, oldest first.
    async fn generations(&self) -> Result<String> {
        to_json(&self.door.generations().await?)
    }

    /// A generation with its files; number 0 is what runs now.
    async fn read_generation(&self, number: u32) -> Result<String> {
        self.may_change()?;
        to_json(&self.door.read_generation(number).await?)
    }

    /// Applies a configuration, proves it, and saves it as a generation; when any part refuses, all
    /// is put back. Options: `confirm` u (10-86400 s), `author` s, `comment` s, `at_reboot` b,
    /// `extra` s (the text of extra.nft; absent keeps it, empty removes it).
    async fn commit(
        &self,
        text: &str,
        options: CommitOptions,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String> {
        let caller = self.may_change_as(&header, connection).await?;
        to_json(&self.door.commit(text, options, &caller).await?)
    }

    /// Keeps the change that waits for its confirmation; its generation.
    async fn confirm(&self) -> Result<u32> {
        self.may_change()?;
        Ok(self.door.confirm().await?)
    }

    /// Commits an older generation anew, with the options of Commit; number 0 takes back what is
    /// unconfirmed.
    async fn rollback(
        &self,
        generation: u32,
        options: CommitOptions,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String> {
        let caller = self.may_change_as(&header, connection).await?;
        to_json(&self.door.rollback(generation, options, &caller).await?)
    }

    /// Sets a real server's weight, for the moment or, with `save`, for good. The server is named by
    /// its address, or by address and port.
    async fn set_weight(
        &self,
        service: &str,
        server: &str,
        weight: u16,
        save: bool,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<()> {
        let caller = self.may_change_as(&header, connection).await?;
        Ok(self.door.weigh(service, server, Some(weight), save.then_some(weight), &caller).await?)
    }

    /// Gives a server no new sessions; those that it has go on.
    async fn drain(
        &self,
        service: &str,
        server: &str,
        save: bool,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<()> {
        let caller = self.may_change_as(&header, connection).await?;
        Ok(self.door.weigh(service, server, Some(0), save.then_some(0), &caller).await?)
    }

    /// Gives a server the configuration's weight again.
    async fn undrain(
        &self,
        service: &str,
        server: &str,
        save: bool,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<()> {
        let caller = self.may_change_as(&header, connection).await?;
        let is_saved_as_drained = save && self.door.saved_weight(service, server).await? == 0;
        Ok(self.door.weigh(service, server, None, is_saved_as_drained.then_some(1), &caller).await?)
    }

    /// The private host key of ssh in hexadecimal, for a backup; empty where there is none.
    async fn host_key(&self) -> Result<String> {
        self.may_change()?;
        Ok(self.door.host_key().await?)
    }

    /// Takes the host key of another box, so that it is known to those who knew that one.
    async fn restore_host_key(&self, key: &str) -> Result<()> {
        self.may_change()?;
        Ok(self.door.restore_host_key(key).await?)
    }

    /// The names of the files on a USB stick with FAT.
    async fn list_stick(&self) -> Result<Vec<String>> {
        self.may_change()?;
        Ok(self.door.list_stick().await?)
    }

    /// A text from a USB stick with FAT; its name holds no folder.
    async fn read_stick(&self, name: &str) -> Result<String> {
        self.may_change()?;
        Ok(self.door.read_stick(name).await?)
    }

    /// Writes a text to a USB stick with FAT.
    async fn write_stick(&self, name: &str, text: &str) -> Result<()> {
        self.may_change()?;
        Ok(self.door.write_stick(name, text).await?)
    }

    /// The disks of the box: name, bytes, what is on it, and why it is not taken for an installation
    /// (empty when it is).
    async fn list_disks(&self) -> Result<Vec<crate::install::Disk>> {
        self.may_change()?;
        Ok(self.door.list_disks().await?)
    }

    /// Erases a disk and writes the running system with its configuration onto it, and answers when
    /// all is read back: minutes. The disk that the box runs from is refused.
    async fn install(&self, disk: &str) -> Result<()> {
        self.may_change()?;
        Ok(self.door.install(disk).await?)
    }

    /// Asks one hop, 1-255, on the way to a host for echoes.
    async fn trace(&self, host: &str, hop: u8) -> Result<String> {
        self.may_change()?;
        to_json(&self.door.trace(host, hop).await?)
    }

    /// Begins to capture what passes an interface, by its name or the kernel's, and ends the capture
    /// before; its number. Options: `host` s, `port` q, `seconds` u (1-600), `packets` u (1-100000),
    /// `bytes` u (1-67108864), `snap` u (bytes of each packet, 1-2048), `with_bytes` b.
    fn start_capture(&self, interface: &str, options: CaptureOptions) -> Result<u32> {
        self.may_change()?;
        Ok(self.door.start_capture(interface, &options)?)
    }

    /// What a capture has caught since the last call; waits up to a second for it. One that is not
    /// read for four seconds ends.
    async fn read_capture(&self, number: u32) -> Result<String> {
        self.may_change()?;
        to_json(&self.door.read_capture(number).await?)
    }

    /// Starts the box anew.
    fn reboot(&self) -> Result<()> {
        self.may_change()?;
        start_anew()
    }

    /// Forgets every configuration and starts the box anew.
    async fn factory_reset(&self) -> Result<()> {
        self.may_change()?;
        self.door.clear().await?;
        start_anew()
    }

    /// What the box does: `starting`, `serving`, `degraded` or `fail-secure`.
    #[zbus(property)]
    fn state(&self) -> String {
        self.door.feed.latest().state.word().to_owned()
    }

    /// The host name.
    #[zbus(property)]
    fn hostname(&self) -> String {
        self.door.feed.latest().hostname.clone()
    }

    /// The firmware's version.
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> String {
        self.door.feed.latest().firmware.version.clone()
    }

    /// The generation that runs; 0 for none.
    #[zbus(property)]
    fn generation(&self) -> u32 {
        self.door.feed.latest().configuration.generation.unwrap_or_default()
    }

    /// The generation that the box starts with; 0 for none.
    #[zbus(property)]
    fn generation_at_boot(&self) -> u32 {
        self.door.feed.latest().configuration.at_boot.unwrap_or_default()
    }

    /// The generation that waits for its confirmation; 0 for none.
    #[zbus(property)]
    fn unconfirmed(&self) -> u32 {
        self.door.feed.latest().configuration.unconfirmed.map_or(0, |waiting| waiting.generation)
    }

    /// What is wrong now, worst first, each with its subject.
    #[zbus(property)]
    fn problems(&self) -> Vec<(String, String)> {
        problems(&self.door.feed.latest())
    }

    /// The box will go back from this generation in so many seconds unless somebody confirms.
    #[zbus(signal)]
    pub(crate) async fn rollback_announced(
        emitter: &SignalEmitter<'_>,
        generation: u32,
        seconds: u32,
    ) -> zbus::Result<()>;

    /// The box has gone back from one generation to another (0 for none), and why.
    #[zbus(signal)]
    pub(crate) async fn rolled_back(
        emitter: &SignalEmitter<'_>,
        from: u32,
        to: u32,
        reason: &str,
    ) -> zbus::Result<()>;

    /// A generation now runs.
    #[zbus(signal)]
    pub(crate) async fn committed(
        emitter: &SignalEmitter<'_>,
        generation: u32,
        author: &str,
    ) -> zbus::Result<()>;
}

impl Director {
    pub(crate) fn new(door: Door, caller: Caller) -> Self {
        Self { door, caller }
    }

    fn may_change(&self) -> Result<()> {
        match self.caller.rights {
            Rights::Change => Ok(()),
            Rights::Read => Err(Refusal::denied().into()),
        }
    }

    /// As [`Self::may_change`], with the name of who does it.
    async fn may_change_as(&self, header: &Header<'_>, connection: &Connection) -> Result<String> {
        self.may_change()?;
        Ok(self.name(header, connection).await)
    }

    /// Who sent a message: by the connection's own peer, or as the bus knows its sender.
    async fn name(&self, header: &Header<'_>, connection: &Connection) -> String {
        if !self.caller.name.is_empty() {
            return self.caller.name.clone();
        }
        let Some(sender) = header.sender() else { return "unknown".to_owned() };
        let Ok(bus) = zbus::fdo::DBusProxy::new(connection).await else { return "unknown".to_owned() };
        bus.get_connection_unix_user(sender.clone().into())
            .await
            .map_or_else(|_| "unknown".to_owned(), user_name)
    }
}

/// Asks init for a clean start: BusyBox and systemd both take SIGINT for Ctrl-Alt-Del.
fn start_anew() -> Result<()> {
    crate::log::announce(format_args!("the box starts anew"));
    rustix::process::kill_process(rustix::process::Pid::INIT, rustix::process::Signal::INT)
        .map_err(|error| Refusal::below(format!("init cannot be asked: {error}")).into())
}

/// The answer as the one string that travels.
fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Refusal::below(error).into())
}
