//! The box's own dealings with the outside: the way in, the clock, the log's way out.
//!
//! Each is told what is wanted once a configuration stands, and tells what is the case. None of
//! them is waited for.

use std::path::Path;

use mark21_api::status::Status;
use mark21_config::Config;

use crate::ssh::Ssh;
use crate::store::Store;
use crate::syslog::Syslog;
use crate::time::Clock;
use crate::{Options, programs};

/// The handle on all of them.
#[derive(Debug)]
pub(crate) struct Outside {
    ssh: Ssh,
    clock: Clock,
    syslog: Syslog,
}

impl Outside {
    /// Starts them; nothing is wanted yet.
    pub(crate) fn start(options: &Options, store: Store) -> Self {
        if let Err(error) = programs::listen(Path::new(programs::SOCKET)) {
            crate::log::error(format_args!("{}: {error}", programs::SOCKET));
        }
        let clock = Clock::start(&options.run);
        let syslog = Syslog::new(clock.clone());
        Self { ssh: Ssh::start(&options.run, store), clock, syslog }
    }

    /// Wants what this configuration says; nothing in the fail-secure state. The same again is
    /// no change.
    pub(crate) fn want(&mut self, config: Option<&Config>) {
        self.ssh.want(config);
        self.clock.want(config.map_or(&[], |config| &config.time.servers));
        self.syslog.want(config.map_or(&[], |config| &config.syslog));
    }

    /// Tells what is the case.
    pub(crate) fn tell(&self, status: &mut Status) {
        let (management, problems) = self.ssh.seen();
        status.management = management;
        status.problems.extend(problems);
        status.time = self.clock.seen();
        status.syslog = self.syslog.seen();
    }
}
