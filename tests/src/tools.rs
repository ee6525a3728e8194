//! Programs for the inside of a director that are not in its image: a second disk.
//!
//! The machine mounts it at [`PLACE`]. Everything lies flat in one squashfs, programs and the
//! libraries that they name, so that a program runs there with `LD_LIBRARY_PATH`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::Result;
use crate::process::run;
use crate::scenario::lab_root;

/// Where the disk is in the machine; /run itself is mounted noexec.
pub const PLACE: &str = "/run/tools";
/// What mounts it there, as root, once.
pub const MOUNT: &str = "mkdir -p /run/tools && mount -t squashfs -o ro /dev/vdb /run/tools";

const LIMIT: Duration = Duration::from_secs(60);
const LOADER: &str = "lib64/ld-linux-x86-64.so.2";
const LIBRARIES: [&str; 2] = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"];

/// Of the lab root.
#[must_use]
pub fn ipvsadm() -> PathBuf {
    lab_root().join("sbin/ipvsadm")
}

/// Of the lab root.
#[must_use]
pub fn keepalived() -> PathBuf {
    lab_root().join("usr/sbin/keepalived")
}

/// Make the disk `out` with these programs.
///
/// # Errors
/// When one is missing, or needs a library that the lab root has not.
pub(crate) fn make_disk(programs: &[PathBuf], out: &Path) -> Result {
    let stage = out.with_extension("files");
    fs::create_dir_all(&stage)?;
    for program in programs {
        copy(program, &stage)?;
        for library in libraries(program)? {
            copy(&library, &stage)?;
        }
    }
    let mut command = Command::new("mksquashfs");
    command.arg(&stage).arg(out).args(["-noappend", "-quiet", "-no-progress", "-comp", "gzip", "-all-root"]);
    run(command, LIMIT)?.success().context("mksquashfs")?;
    fs::remove_dir_all(&stage)?;
    Ok(())
}

fn copy(file: &Path, directory: &Path) -> Result {
    let name = file.file_name().context("a file's path")?;
    fs::copy(file, directory.join(name)).with_context(|| format!("{}", file.display()))?;
    Ok(())
}

/// Found by the lab root's own loader. What the image has itself is left out.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let paths: Vec<_> = LIBRARIES.iter().map(|path| lab_root().join(path).display().to_string()).collect();
    let mut command = Command::new(lab_root().join(LOADER));
    command.args(["--library-path", &paths.join(":"), "--list"]).arg(program);
    let list = run(command, LIMIT)?.success().with_context(|| format!("{}", program.display()))?.text();
    ensure!(!list.contains("not found"), "{}: {list}", program.display());
    let files = list.lines().filter_map(|line| line.split_once(" => ")?.1.split_whitespace().next());
    let is_in_image = |file: &&str| ["/libc.so.", "/libm.so.", "/ld-linux"].iter().any(|c| file.contains(c));
    Ok(files.filter(|file| !is_in_image(file)).map(PathBuf::from).collect())
}
