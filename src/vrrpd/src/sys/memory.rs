//! Memory that stays: what a failover may execute is read in and locked, what has done its work is let
//! go.
//!
//! Of the program all stays. Of libraries those functions stay that the program's own table of
//! addresses leads to: glibc has 1.4 MB of code, and vrrpd calls a hundred functions of it. Other code
//! comes back from the file when it is needed.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;

use super::check;

/// Below this limit later allocations are not locked: an allocation beyond it would end the process
/// once capabilities are dropped.
const ENOUGH: libc::rlim_t = 256 << 20;

/// Octets of a library that stay from the start of a called function on: most are shorter, and what
/// they call stands behind them.
const CALLED: usize = 16 << 10;

/// Locks everything, now and, if the limit can be raised, later.
///
/// The heap and the stack are locked as far as they are used: a page that is used for the first time
/// costs no input, and what reading a large configuration took is not kept.
pub(crate) fn lock() -> io::Result<Locked> {
    let is_unlimited = raise_limit().is_ok_and(|limit| limit >= ENOUGH);
    // Before Linux 5.14 pages cannot be asked for: everything is locked then, used or not.
    let on_fault = if populate_files().is_ok() { libc::MCL_ONFAULT } else { 0 };
    let (future, locked) = if is_unlimited { (libc::MCL_FUTURE, Locked::Always) } else { (0, Locked::Now) };
    // SAFETY: changes no memory, only where it may be.
    check(unsafe { libc::mlockall(libc::MCL_CURRENT | future | on_fault) })?;
    Ok(locked)
}

/// Reads in what a failover may need. The loader, the unwinder and the names of symbols have done their
/// work, or never will: they are let go.
fn populate_files() -> io::Result<()> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let mappings: Vec<_> = maps.lines().filter_map(Mapping::of).collect();
    let program = mappings.first().map(|mapping| mapping.path);
    let (own, libraries): (Vec<_>, Vec<_>) =
        mappings.iter().partition(|mapping| Some(mapping.path) == program);
    let mut called = BTreeSet::new();
    for mapping in own {
        mapping.advise(0..mapping.len(), libc::MADV_POPULATE_READ)?;
        called.extend(mapping.constants());
    }
    for mapping in libraries {
        let is_done = ["ld-linux", "libgcc_s"].iter().any(|name| mapping.file_name().starts_with(name));
        match mapping.part {
            Part::Symbols => mapping.advise(0..mapping.len(), libc::MADV_DONTNEED)?,
            Part::Code if is_done => mapping.advise(0..mapping.len(), libc::MADV_DONTNEED)?,
            Part::Code => mapping.keep(&called)?,
            Part::Constants | Part::Variables => {}
        }
    }
    Ok(())
}

/// Lets go of all code, which comes back from the files as it is needed: for a process that waits.
pub(crate) fn forget_code() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for mapping in maps.lines().filter_map(Mapping::of).filter(|mapping| mapping.part == Part::Code) {
        // It only costs memory when it stays.
        drop(mapping.advise(0..mapping.len(), libc::MADV_DONTNEED));
    }
}

/// A mapping that can be read and comes from a file.
#[derive(Debug, PartialEq, Eq)]
struct Mapping<'a> {
    start: usize,
    end: usize,
    part: Part,
    path: &'a str,
}

/// What a file's mapping holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The beginning, as the file has it: what the loader looks names up in.
    Symbols,
    /// Executed, and as the file has it.
    Code,
    /// Read only; the loader has put addresses into some.
    Constants,
    Variables,
}

impl Mapping<'_> {
    fn of(line: &str) -> Option<Mapping<'_>> {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let part = match (fields.next()?, fields.next()?) {
            ("r-xp", _) => Part::Code,
            ("r--p", "00000000") => Part::Symbols,
            ("r--p", _) => Part::Constants,
            (rights, _) if rights.starts_with('r') => Part::Variables,
            _ => return None,
        };
        let inode: u64 = fields.nth(1)?.parse().ok()?;
        let mapping = Mapping {
            start: usize::from_str_radix(start, 16).ok()?,
            end: usize::from_str_radix(end, 16).ok()?,
            part,
            path: fields.next()?,
        };
        (inode != 0).then_some(mapping)
    }

    const fn len(&self) -> usize {
        self.end - self.start
    }

    fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The words of a part that is only read: the table of addresses is among them.
    fn constants(&self) -> &[usize] {
        if self.part != Part::Constants {
            return &[];
        }
        let start = std::ptr::without_provenance(self.start);
        // SAFETY: the range is mapped, begins at a page, can be read, and cannot be written to.
        unsafe { std::slice::from_raw_parts(start, self.len() / size_of::<usize>()) }
    }

    /// Reads in the code that `called` leads to and lets go of the rest. When nothing leads there,
    /// addresses are looked up as late as they are used, and all stays.
    fn keep(&self, called: &BTreeSet<usize>) -> io::Result<()> {
        self.advise(0..self.len(), libc::MADV_POPULATE_READ)?;
        // SAFETY: no pointers are passed.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(1 << 12);
        let mut rest = 0;
        for address in called.range(self.start..self.end) {
            let first = (address - self.start) / page * page;
            if first > rest {
                self.advise(rest..first, libc::MADV_DONTNEED)?;
            }
            rest = rest.max(first + CALLED.next_multiple_of(page));
        }
        if rest > 0 && rest < self.len() {
            self.advise(rest..self.len(), libc::MADV_DONTNEED)?;
        }
        Ok(())
    }

    /// `MADV_POPULATE_READ`; or `MADV_DONTNEED`, for what is as the file has it.
    fn advise(&self, part: Range<usize>, advice: libc::c_int) -> io::Result<()> {
        let start = std::ptr::without_provenance_mut(self.start + part.start);
        // SAFETY: the range is mapped. Reading it in changes nothing that can be seen, and what is let
        // go was not written to, so it comes back as it was.
        check(unsafe { libc::madvise(start, part.len(), advice) })?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Where nothing would be found, all of the library would stay, and nobody would notice.
    #[test]
    #[cfg(all(target_env = "gnu", not(target_feature = "crt-static")))]
    fn the_table_of_addresses_leads_to_what_is_called() {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
        let mappings: Vec<_> = maps.lines().filter_map(Mapping::of).collect();
        let program = mappings.first().expect("the program").path;
        let own = mappings.iter().filter(|mapping| mapping.path == program);
        let called: BTreeSet<_> = own.flat_map(Mapping::constants).copied().collect();
        for function in [libc::sendmmsg as *const (), libc::epoll_wait as *const ()] {
            assert!(called.contains(&function.addr()));
        }
    }

    #[test]
    fn mappings_of_files_are_told_from_others() {
        let mapping = |part, path| Some(Mapping { start: 0x7f00, end: 0x7f80, part, path });
        let cases = [
            ("7f00-7f80 r-xp 00001000 fd:00 1234   /usr/sbin/vrrpd", mapping(Part::Code, "/usr/sbin/vrrpd")),
            ("7f00-7f80 r--p 00000000 fd:00 1234   /usr/lib/x.so", mapping(Part::Symbols, "/usr/lib/x.so")),
            ("7f00-7f80 r--p 00002000 fd:00 1234   /usr/lib/x.so", mapping(Part::Constants, "/usr/lib/x.so")),
            ("7f00-7f80 rw-p 00003000 fd:00 1234   /usr/lib/x.so", mapping(Part::Variables, "/usr/lib/x.so")),
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
