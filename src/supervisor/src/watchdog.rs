//! The hardware watchdog: fed while the event loop turns and the kernel's owner answers.
//!
//! It is opened once and never disarmed: whoever stops the supervisor for good gets a reboot,
//! and a supervisor that is started anew within the watchdog's time takes the feeding over.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// Between two meals. Drivers of router boards time out after 10 s or more.
pub(crate) const MEAL: Duration = Duration::from_secs(2);
/// A convergence of the largest configuration takes seconds on the slowest machine; a kernel's
/// owner that is silent for longer hangs.
pub(crate) const SILENCE: Duration = Duration::from_secs(60);

/// An armed watchdog; `None` inside where the machine has none.
#[derive(Debug)]
pub(crate) struct Watchdog {
    device: Option<File>,
}

impl Watchdog {
    /// Opens and thereby arms the device, if there is one.
    pub(crate) fn arm(device: &Path) -> Self {
        match OpenOptions::new().write(true).open(device) {
            Ok(device) => {
                crate::log::note(format_args!("the hardware watchdog is armed"));
                Self { device: Some(device) }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self { device: None },
            Err(error) => {
                crate::log::error(format_args!("{}: {error}", device.display()));
                Self { device: None }
            }
        }
    }

    /// Whether there is one.
    pub(crate) fn is_armed(&self) -> bool {
        self.device.is_some()
    }

    /// Keeps the machine from being reset for another timeout.
    pub(crate) fn feed(&mut self) {
        // Any byte but the magic `V` feeds (Documentation/watchdog/watchdog-api.rst).
        if let Some(Err(error)) = self.device.as_mut().map(|device| device.write_all(b"\n")) {
            crate::log::error(format_args!("the hardware watchdog takes no food: {error}"));
        }
    }
}
