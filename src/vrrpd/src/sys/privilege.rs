//! Locked memory, real-time priority, capabilities.

use std::io;

use super::check;

/// Below this limit later allocations are not locked: an allocation beyond it would end the process
/// once capabilities are dropped.
const ENOUGH: libc::rlim_t = 256 << 20;

/// Locks everything, now and, if the limit can be raised, later.
///
/// What is executed is read in first, so that no page of the program is missing at a failover. The heap and the stack are locked as far as they are used: a page that is used for
/// the first time costs no input, and what reading a large configuration took is not kept.
pub(crate) fn lock_memory() -> io::Result<Locked> {
    let is_unlimited = raise_limit().is_ok_and(|limit| limit >= ENOUGH);
    // Before Linux 5.14 pages cannot be asked for: everything is locked then, used or not.
    let on_fault = if populate_files().is_ok() { libc::MCL_ONFAULT } else { 0 };
    let (future, locked) = if is_unlimited { (libc::MCL_FUTURE, Locked::Always) } else { (0, Locked::Now) };
    // SAFETY: changes no memory, only where it may be.
    check(unsafe { libc::mlockall(libc::MCL_CURRENT | future | on_fault) })?;
    Ok(locked)
}

/// Reads in what a failover may need: the program, and the code of its libraries. The loader and the
/// unwinder have done their work, or never will: they are let go.
fn populate_files() -> io::Result<()> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let mappings: Vec<_> = maps.lines().filter_map(Mapping::of).collect();
    let program = mappings.first().map(|mapping| mapping.path);
    for mapping in &mappings {
        let is_done = ["ld-linux", "libgcc_s"].iter().any(|name| mapping.file_name().starts_with(name));
        if is_done && mapping.is_code {
            mapping.advise(libc::MADV_DONTNEED)?;
        } else if Some(mapping.path) == program || mapping.is_code && !is_done {
            mapping.advise(libc::MADV_POPULATE_READ)?;
        }
    }
    Ok(())
}

/// Lets go of all code, which comes back from the files as it is needed: for a process that waits.
pub(crate) fn forget_code() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for mapping in maps.lines().filter_map(Mapping::of).filter(|mapping| mapping.is_code) {
        // It only costs memory when it stays.
        drop(mapping.advise(libc::MADV_DONTNEED));
    }
}

/// A mapping that can be read and comes from a file.
#[derive(Debug, PartialEq, Eq)]
struct Mapping<'a> {
    start: usize,
    end: usize,
    /// Executed and never written: as the file has it.
    is_code: bool,
    path: &'a str,
}

impl Mapping<'_> {
    fn of(line: &str) -> Option<Mapping<'_>> {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let rights = fields.next()?;
        let inode: u64 = fields.nth(2)?.parse().ok()?;
        let mapping = Mapping {
            start: usize::from_str_radix(start, 16).ok()?,
            end: usize::from_str_radix(end, 16).ok()?,
            is_code: rights == "r-xp",
            path: fields.next()?,
        };
        (rights.starts_with('r') && inode != 0).then_some(mapping)
    }

    fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// `MADV_POPULATE_READ`, or `MADV_DONTNEED` for code.
    fn advise(&self, advice: libc::c_int) -> io::Result<()> {
        let start = std::ptr::without_provenance_mut(self.start);
        // SAFETY: the range is mapped. Reading it in changes nothing that can be seen, and code was
        // not written to, so it comes back as it was.
        check(unsafe { libc::madvise(start, self.end - self.start, advice) })?;
        Ok(())
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locked {
    /// What is allocated later is locked too.
    Always,
    /// The limit could not be raised: only what is there now.
    Now,
}

fn raise_limit() -> io::Result<libc::rlim_t> {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `limit` lives through the call.
    if check(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) }).is_ok() {
        return Ok(limit.rlim_cur);
    }
    // SAFETY: as above.
    check(unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: as above.
    check(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) })?;
    Ok(limit.rlim_cur)
}

/// SCHED_RR with this priority, not inherited by children.
pub(crate) fn set_real_time(priority: u8) -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: libc::c_int::from(priority) };
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: `parameter` lives through the call; 0 is this thread, and there is no other.
    check(unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) })?;
    Ok(())
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct CapabilityData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`: two words of 32 capabilities.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// Keeps those of `wanted` that the process has, drops all others for good.
pub(crate) fn keep_capabilities(wanted: &[u32]) -> io::Result<()> {
    // Dropped from the bounding set too, while CAP_SETPCAP is there; a container may lack it.
    for capability in 0..64 {
        if !wanted.contains(&capability) {
            // SAFETY: no pointers are passed; a capability that does not exist is an error.
            unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability), 0, 0, 0) };
        }
    }
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION, pid: 0 };
    let mut data = [CapabilityData { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: header and two words of data, as version 3 has them.
    check_call(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) })?;
    let mask = wanted.iter().fold(0, |mask, capability| mask | 1_u32.checked_shl(*capability).unwrap_or(0));
    let [low, high] = &mut data;
    low.permitted &= mask;
    low.effective = low.permitted;
    low.inheritable = 0;
    *high = CapabilityData { effective: 0, permitted: 0, inheritable: 0 };
    // SAFETY: as above.
    check_call(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) })
}

fn check_call(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_of_files_are_told_from_others() {
        let mapping = |is_code, path| Some(Mapping { start: 0x7f00, end: 0x7f80, is_code, path });
        let cases = [
            ("7f00-7f80 r-xp 00000000 fd:00 1234   /usr/sbin/vrrpd", mapping(true, "/usr/sbin/vrrpd")),
            ("7f00-7f80 r--p 00000000 fd:00 1234   /usr/lib/x.so", mapping(false, "/usr/lib/x.so")),
            ("7f00-7f80 ---p 00000000 fd:00 1234   /usr/lib/x.so", None),
            ("7f00-7f80 rw-p 00000000 00:00 0      [heap]", None),
            ("7f00-7f80 r--p 00000000 00:00 0      [vvar]", None),
            ("", None),
        ];
        for (line, expected) in cases {
            assert_eq!(Mapping::of(line), expected, "{line}");
        }
    }
}
