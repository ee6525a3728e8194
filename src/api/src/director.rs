//! The client's end of the director object.

use std::collections::HashMap;

use crate::status::{CaptureOptions, CommitOptions};

/// The box as a whole. What answers a structure answers its JSON.
#[zbus::proxy(interface = "org.mark21.Director1", default_path = "/org/mark21/Director1")]
pub trait Director {
    /// Everything that the box knows of itself, as one consistent snapshot: see
    /// [`Status`](crate::status::Status).
    fn status(&self) -> zbus::Result<String>;

    /// Reads a configuration text and tells what is wrong with it, changing nothing: see
    /// [`Verdict`](crate::status::Verdict).
    fn check(&self, text: &str) -> zbus::Result<String>;

    /// What applying this text would change, changing nothing: see
    /// [`PlanReport`](crate::status::PlanReport). An empty text stands for the running
    /// configuration.
    fn plan(&self, text: &str) -> zbus::Result<String>;

    /// The firewall's rules with their counters and causes: see
    /// [`Firewall`](crate::status::Firewall).
    fn firewall(&self) -> zbus::Result<String>;

    /// What the FTP servers behind a service must carry: the lines for each server program, by
    /// the program's name.
    fn server_config(&self, service: &str) -> zbus::Result<HashMap<String, String>>;

    /// Hands virtual routers over to the other box: one by its name, a sync group by its name,
    /// or `all`. Only for administrators.
    fn resign(&self, name: &str) -> zbus::Result<()>;

    /// The newest lines of the supervisor's log, oldest first.
    fn log(&self, lines: u32) -> zbus::Result<Vec<String>>;

    /// The configurations that ran, a list, oldest first: see [`Generation`](crate::status::Generation).
    fn generations(&self) -> zbus::Result<String>;

    /// A generation with its files, or with number 0 what runs now: see
    /// [`GenerationFiles`](crate::status::GenerationFiles). Only for administrators: a
    /// configuration holds secrets.
    fn read_generation(&self, number: u32) -> zbus::Result<String>;

    /// Applies a configuration, proves it, and saves it as a generation; when any part refuses,
    /// all is put back and the error says which part and why. The options are
    /// [`CommitOptions`](crate::status::CommitOptions), the answer is
    /// [`Committed`](crate::status::Committed). Only for administrators.
    fn commit(&self, text: &str, options: CommitOptions) -> zbus::Result<String>;

    /// Confirms the change that waits for it, and answers its generation. Only for
    /// administrators.
    fn confirm(&self) -> zbus::Result<u32>;

    /// Commits an older generation anew, with the options and the answer of
    /// [`commit`](Self::commit); with number 0, takes the unconfirmed change back at once. Only
    /// for administrators.
    fn rollback(&self, generation: u32, options: CommitOptions) -> zbus::Result<String>;

    /// Sets a real server's weight, 0-65535: for the moment, or with `save` as a commit of its
    /// own. The server is named by its address, or by address and port. Only for administrators.
    fn set_weight(&self, service: &str, server: &str, weight: u16, save: bool) -> zbus::Result<()>;

    /// Takes a server's weight to 0: it gets no new sessions, and those that it has go on. Only
    /// for administrators.
    fn drain(&self, service: &str, server: &str, save: bool) -> zbus::Result<()>;

    /// Gives a server the configuration's weight again; with `save`, a server whose saved weight
    /// is 0 gets 1. Only for administrators.
    fn undrain(&self, service: &str, server: &str, save: bool) -> zbus::Result<()>;

    /// The private host key of ssh in hexadecimal, for a backup; empty where there is none. Only for
    /// administrators.
    fn host_key(&self) -> zbus::Result<String>;

    /// Takes the host key of another box. Only for administrators.
    fn restore_host_key(&self, key: &str) -> zbus::Result<()>;

    /// The names of the files on a USB stick with FAT. Only for administrators.
    fn list_stick(&self) -> zbus::Result<Vec<String>>;

    /// A text from a USB stick with FAT; its name holds no folder. Only for administrators.
    fn read_stick(&self, name: &str) -> zbus::Result<String>;

    /// Writes a text to a USB stick with FAT. Only for administrators.
    fn write_stick(&self, name: &str, text: &str) -> zbus::Result<()>;

    /// The disks of the box: name, bytes, what is on it, and why it is not taken for an installation;
    /// empty when it is. Only for administrators.
    fn list_disks(&self) -> zbus::Result<Vec<(String, u64, String, String)>>;

    /// Erases a disk and writes the running system with its configuration onto it; answers when all is
    /// read back, after minutes. Only for administrators.
    fn install(&self, disk: &str) -> zbus::Result<()>;

    /// Asks one hop on the way to a host for echoes: see [`Hop`](crate::status::Hop). Only for
    /// administrators.
    fn trace(&self, host: &str, hop: u8) -> zbus::Result<String>;

    /// Begins to capture what passes an interface, with
    /// [`CaptureOptions`](crate::status::CaptureOptions), and ends the capture before; its number.
    /// Only for administrators.
    fn start_capture(&self, interface: &str, options: CaptureOptions) -> zbus::Result<u32>;

    /// What a capture has caught since the last call: see [`Captured`](crate::status::Captured).
    /// Waits up to a second for it. Only for administrators.
    fn read_capture(&self, number: u32) -> zbus::Result<String>;

    /// Starts the box anew. Only for administrators.
    fn reboot(&self) -> zbus::Result<()>;

    /// Forgets every configuration and all that belongs to it, and starts the box anew. Only for
    /// administrators.
    fn factory_reset(&self) -> zbus::Result<()>;

    /// The box will go back from this generation in so many seconds unless somebody confirms.
    #[zbus(signal)]
    fn rollback_announced(&self, generation: u32, seconds: u32) -> zbus::Result<()>;

    /// The box has gone back from one generation to another (0: none), and why.
    #[zbus(signal)]
    fn rolled_back(&self, from: u32, to: u32, reason: String) -> zbus::Result<()>;

    /// A generation now runs.
    #[zbus(signal)]
    fn committed(&self, generation: u32, author: String) -> zbus::Result<()>;
}
