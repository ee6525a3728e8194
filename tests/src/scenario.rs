//! From a `#[test]` function into a lab of its own and back.
//!
//! libtest calls [`scenario`] in an ordinary process. That starts the same test once
//! more through `tests/enter`, in namespaces of its own as root, where the body runs;
//! its output and its result come back to libtest. Directors take room, of which a machine has
//! for two more than it has processors (each waits for much of its time): one by [`scenario`],
//! three by [`two_boxes`], all of it by [`alone`]. Two of [`patient`] run beside them. Lock files
//! see to it, also between programs.

use std::any::type_name;
use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use rustix::fs::{FlockOperation, flock};

use crate::topology::Lab;
use crate::{Result, process};

/// Why a scenario could not run here. Not a failure, unless `MARK21_NO_SKIP=1`.
#[derive(Debug)]
struct Skipped(String);

impl std::fmt::Display for Skipped {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{SKIPPED}{}", self.0)
    }
}

impl std::error::Error for Skipped {}

const SKIPPED: &str = "SKIPPED: ";

/// Most directors at once: each is a machine of 256 MB.
const MOST_DIRECTORS: usize = 5;
/// Most of those at once that mostly wait.
const MOST_PATIENT: usize = 2;
/// Longest wait for others to end: longer than all scenarios together.
const OTHERS: Duration = Duration::from_secs(3 * 3600);
/// Pause between two looks for room.
const MOMENT: Duration = Duration::from_millis(50);

/// How much of this machine a lab needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    /// Room for so many directors, or all there is.
    Directors(usize),
    /// Next to nothing: it waits most of its time.
    Little,
}

impl Share {
    const ALL: Self = Self::Directors(MOST_DIRECTORS);
}

/// Leave a scenario that cannot run on this machine.
///
/// # Errors
/// Always: return it.
pub fn skip<T>(why: impl Into<String>) -> Result<T> {
    Err(Skipped(why.into()).into())
}

/// Run `body` in a lab of its own. Call it first thing in a `#[test]` function, with
/// the closure written there: the test's name is taken from the closure's type.
///
/// # Panics
/// When the scenario fails, as libtest wants it; the lab's directory is printed.
pub fn scenario<F: FnOnce(&mut Lab) -> Result>(body: F) {
    enact(Share::Directors(1), body);
}

/// As [`scenario`], with room for two directors and for one more: a Backup that is kept from hearing for
/// three intervals takes over.
///
/// # Panics
/// As [`scenario`].
pub fn two_boxes<F: FnOnce(&mut Lab) -> Result>(body: F) {
    enact(Share::Directors(3), body);
}

/// As [`scenario`], beside the others: for what mostly waits.
///
/// # Panics
/// As [`scenario`].
pub fn patient<F: FnOnce(&mut Lab) -> Result>(body: F) {
    enact(Share::Little, body);
}

/// As [`scenario`], with no other but [`patient`] ones beside it: for what has to happen within
/// seconds.
///
/// # Panics
/// As [`scenario`].
pub fn alone<F: FnOnce(&mut Lab) -> Result>(body: F) {
    enact(Share::ALL, body);
}

fn enact<F: FnOnce(&mut Lab) -> Result>(share: Share, body: F) {
    let (binary, test) = name_of::<F>();
    let directory = target_directory().join("lab").join(binary).join(test.replace("::", "-"));
    let inside = env::var_os("MARK21_LAB_INSIDE").is_some();
    let result = if inside { run_inside(&directory, body) } else { run_outside(share, &directory, &test) };
    match result {
        Err(error) if error.is::<Skipped>() && env::var_os("MARK21_NO_SKIP").is_none_or(|no| no == "0") => {
            // Past libtest's capture: a skipped test must be seen.
            drop(writeln!(std::io::stderr(), "{test}: {error}"));
        }
        Err(error) => panic!("{error:#}"),
        Ok(()) => {}
    }
}

/// How often to do what `make test` samples: `sample`, or `full` in `make soak`
/// (`MARK21_SOAK=1`).
#[must_use]
pub fn times(sample: u32, full: u32) -> u32 {
    if env::var_os("MARK21_SOAK").is_some_and(|soak| soak != "0") { full } else { sample }
}

/// Re-run this program through `tests/enter`, when it is not inside yet. For programs
/// that are a lab themselves; the test functions use [`scenario`].
///
/// # Errors
/// When it cannot be started. `None`: we are inside, go on.
pub fn enter_lab() -> Result<Option<i32>> {
    if env::var_os("MARK21_LAB_INSIDE").is_some() {
        return Ok(None);
    }
    let _lock = lock(Share::ALL)?;
    let mut command = Command::new(tests_directory().join("enter"));
    command.arg(env::current_exe()?).args(env::args_os().skip(1));
    let status = command.status().context("tests/enter")?;
    Ok(Some(status.code().unwrap_or(1)))
}

/// The tree to chroot into; only set inside.
#[must_use]
pub fn lab_root() -> PathBuf {
    PathBuf::from(env::var_os("MARK21_LAB_ROOT").unwrap_or_default())
}

/// The folder `tests/` of the source tree.
#[must_use]
pub fn tests_directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Where the lab builds and keeps: `target/`, or what `MARK21_LAB_DIR` says.
#[must_use]
pub fn target_directory() -> PathBuf {
    env::var_os("MARK21_LAB_DIR").map_or_else(|| tests_directory().join("../target"), PathBuf::from)
}

fn name_of<F>() -> (&'static str, String) {
    // "single::four_modes::{{closure}}"
    let path = type_name::<F>().trim_end_matches("::{{closure}}");
    path.split_once("::").map_or((path, String::new()), |(binary, test)| (binary, test.to_owned()))
}

fn run_inside(directory: &Path, body: impl FnOnce(&mut Lab) -> Result) -> Result {
    let mut lab = Lab::create(directory)?;
    let result = body(&mut lab);
    match &result {
        Ok(()) => lab.remove_large_files(),
        // Through a file: libtest writes into the lines of a test's output.
        Err(error) if error.is::<Skipped>() => fs::write(skip_file(directory), error.to_string())?,
        Err(_) => println!("kept: {}", directory.display()),
    }
    result
}

fn run_outside(share: Share, directory: &Path, test: &str) -> Result {
    let _lock = lock(share)?;
    let start = Instant::now();
    if let Err(error) = probe() {
        return skip(format!("{error:#}"));
    }
    let skip_file = skip_file(directory);
    if skip_file.exists() {
        fs::remove_file(&skip_file)?;
    }
    let mut command = Command::new(tests_directory().join("enter"));
    command.arg(env::current_exe()?).args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env("MARK21_NO_SKIP", "0").env("RUST_BACKTRACE", "0");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("tests/enter")?;
    let stderr = child.stderr.take().map(BufReader::new);
    let errors = thread::spawn(move || {
        stderr.into_iter().flat_map(BufRead::lines).map_while(std::result::Result::ok).collect::<Vec<_>>()
    });
    let mut ran = false;
    let head = format!("test {test} ... ");
    for line in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()) {
        let line = line?;
        ran |= line == "running 1 test";
        let line = line.strip_prefix(&head).unwrap_or(&line);
        if !is_libtest_noise(line) {
            println!("{line}");
        }
    }
    let status = child.wait()?;
    let errors = errors.join().map_err(|_| anyhow!("reader of standard error panicked"))?;
    errors.iter().filter(|line| !is_libtest_noise(line)).for_each(|line| println!("{line}"));
    // Past libtest's capture: it tells no times.
    drop(writeln!(std::io::stderr(), "{:6.1} s  {test}", start.elapsed().as_secs_f32()));
    ensure!(status.success(), "the scenario failed, see above");
    ensure!(ran, "no test is named {test}");
    match fs::read_to_string(skip_file) {
        Ok(why) => skip(why.trim_start_matches(SKIPPED)),
        Err(_) => Ok(()),
    }
}

/// Where the inside says why it skipped.
fn skip_file(directory: &Path) -> PathBuf {
    directory.join("skipped")
}

/// Fails when this machine cannot hold a lab.
fn probe() -> Result {
    let mut command = Command::new(tests_directory().join("enter"));
    command.arg("true");
    // The first call makes the lab root.
    process::run(command, Duration::from_secs(300))?.success().context("no lab here")?;
    Ok(())
}

/// Wait for room; the locks end with the process.
fn lock(share: Share) -> Result<Vec<File>> {
    let directory = target_directory().join("lab");
    fs::create_dir_all(&directory).with_context(|| format!("{}", directory.display()))?;
    let file = |name: &str| File::create(directory.join(name));
    let (queue, rooms, wanted) = match share {
        Share::Directors(directors) => {
            let processors = thread::available_parallelism().map_or(1, NonZero::get);
            let rooms = MOST_DIRECTORS.min(processors + 2);
            ("lab", rooms, rooms.min(directors))
        }
        Share::Little => ("patient", MOST_PATIENT, 1),
    };
    // Who waits holds the turn, so that those who come later cannot overtake for ever.
    let turn = file(&format!(".lock-{queue}"))?;
    flock(&turn, FlockOperation::LockExclusive)?;
    let free = (1..=rooms).map(|number| file(&format!(".lock-{queue}-{number}")));
    let mut free = free.collect::<Result<Vec<_>, _>>()?;
    let mut held = Vec::new();
    let start = Instant::now();
    loop {
        let can_take = |room: &mut File| flock(&*room, FlockOperation::NonBlockingLockExclusive).is_ok();
        let missing = wanted - held.len();
        held.extend(free.extract_if(.., can_take).take(missing));
        if held.len() == wanted {
            return Ok(held);
        }
        ensure!(start.elapsed() < OTHERS, "no room for a lab within {OTHERS:?}");
        thread::sleep(MOMENT);
    }
}

fn is_libtest_noise(line: &str) -> bool {
    const NOISE: [&str; 5] =
        ["running 1 test", "test result: ", "failures:", "note: run with", "error: test failed"];
    line.is_empty() || line == "ok" || line == "FAILED" || NOISE.iter().any(|noise| line.starts_with(noise))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closure_tells_the_test_it_stands_in() {
        fn name<F: FnOnce()>(_: F) -> (&'static str, String) {
            name_of::<F>()
        }
        let (binary, test) = name(|| {});
        assert_eq!(binary, "mark21_lab");
        assert_eq!(test, "scenario::tests::a_closure_tells_the_test_it_stands_in");
    }
}
