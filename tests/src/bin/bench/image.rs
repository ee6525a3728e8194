//! The image that ships beside the quick one, both by their own boot loader on the same emulated
//! machine: the kernel's and userland's share of the start, and the memory in use while it serves.
//!
//! The kernel's share begins with its own clock, after it has unpacked itself, and ends where it
//! starts init; the quick image's init is that of its initramfs.

use std::env;
use std::path::PathBuf;

use anyhow::Context;
use mark21_lab::qemu::Firmware;
use mark21_lab::{Boot, Lab, Result};

use crate::boot::{Start, start};
use crate::figures::{Series, line};

/// Pairs of boots.
const PAIRS: usize = 3;

pub(crate) fn bench(lab: &mut Lab) -> Result {
    let quick = env::var_os("MARK21_QUICK_SQUASHFS").map(PathBuf::from);
    let quick = quick.context("MARK21_QUICK_SQUASHFS names no root file system: tests/run bench makes it")?;
    let mut figures = [Figures::default(), Figures::default()];
    for _ in 0..PAIRS {
        for (root, figures) in [None, Some(quick.clone())].into_iter().zip(&mut figures) {
            figures.push(lab, root)?;
        }
    }
    let [own, other] = &figures;
    for (name, figures) in [("the image", own), ("the quick image", other)] {
        line(&format!("{name}: the kernel, to the start of init, s"), &figures.kernel.text());
        line(&format!("{name}: userland, init to proven, s"), &figures.userland.text());
        line(&format!("{name}: memory in use when serving, MiB (at most 64)"), &figures.memory.text());
    }
    line("the image / the quick image, kernel", &own.kernel.over(&other.kernel).text());
    line("the image / the quick image, userland", &own.userland.over(&other.userland).text());
    Ok(())
}

/// Of one image.
#[derive(Debug, Default)]
struct Figures {
    kernel: Series,
    userland: Series,
    memory: Series,
}

impl Figures {
    fn push(&mut self, lab: &Lab, root: Option<PathBuf>) -> Result {
        let boot = Boot { firmware: Firmware::Bios, root, ..Boot::with_file("single.toml")? };
        let mut director = lab.boot(&boot)?;
        let Start { kernel, userland } = start(&mut director)?;
        self.kernel.push(kernel);
        self.userland.push(userland);
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        self.memory.push(director.memory_in_use()? as f64 / 1024.0);
        Ok(())
    }
}
