//! For a test, to be preloaded: the time of day is wrong by the seconds in the file that
//! `STEPPING_CLOCK` names, eight octets in the machine's order, at any moment others.
//!
//! The clock of a machine is everybody's, and Linux has no namespace for it. So the program that is
//! tested sees another one; the kernel, which stamps packets, keeps the right one.

#![cfg(target_os = "linux")]

use std::sync::atomic::{AtomicI64, AtomicPtr, Ordering};

/// The file in memory.
static OFFSET: AtomicPtr<AtomicI64> = AtomicPtr::new(std::ptr::null_mut());

/// Maps the file when the program is loaded.
extern "C" fn load() {
    // SAFETY: runs before main, in one thread; every result is checked before it is used.
    unsafe {
        let path = libc::getenv(c"STEPPING_CLOCK".as_ptr());
        if path.is_null() {
            return;
        }
        let fd = libc::open(path, libc::O_RDONLY | libc::O_CLOEXEC);
        if fd < 0 {
            return;
        }
        let place = libc::mmap(std::ptr::null_mut(), 8, libc::PROT_READ, libc::MAP_SHARED, fd, 0);
        libc::close(fd);
        if place != libc::MAP_FAILED {
            OFFSET.store(place.cast(), Ordering::Release);
        }
    }
}

#[used]
#[unsafe(link_section = ".init_array")]
static LOAD: extern "C" fn() = load;

/// In the place of libc's.
///
/// # Safety
/// As for the original: `time` is a place to write to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> libc::c_int {
    // SAFETY: the caller's promise; a file that was mapped stays mapped.
    unsafe {
        let result = libc::syscall(libc::SYS_clock_gettime, clock, time);
        let offset = OFFSET.load(Ordering::Acquire);
        if result == 0 && clock == libc::CLOCK_REALTIME && !offset.is_null() {
            (*time).tv_sec += (*offset).load(Ordering::Relaxed);
        }
        if result == 0 { 0 } else { -1 }
    }
}
