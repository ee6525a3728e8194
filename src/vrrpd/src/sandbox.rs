//! What makes the process quick and harmless: memory locked, real-time priority, few capabilities,
//! few system calls.
//!
//! A container may refuse each of them: then there is a warning, and vrrpd goes on.
//!
//! Real-time priority cannot kill it, because no RLIMIT_RTTIME is set (keepalived sets a short one
//! and is killed by it with many routers). It cannot starve the box either: the loop does a bounded
//! amount of work per wake-up, the kernel takes 5 % of the time for others
//! (`/proc/sys/kernel/sched_rt_runtime_us`), and SCHED_RESET_ON_FORK keeps it from children.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::log;
use crate::settings::Global;
use crate::sys::memory::{self, Locked};
use crate::sys::privilege;

/// Capabilities that are kept: addresses and multicast; raw sockets.
const CAP_NET_ADMIN: u32 = 12;
const CAP_NET_RAW: u32 = 13;

/// Does all of it, in the order in which each can still be done.
pub(crate) fn enter(global: &Global) {
    if global.lock_memory {
        match memory::lock() {
            Ok(Locked::Always) => {}
            Ok(Locked::Now) => log::warning!("RLIMIT_MEMLOCK is low: later memory is not locked"),
            Err(error) => log::warning!("memory is not locked: {error}"),
        }
    }
    if global.real_time_priority > 0 {
        warn("no real-time priority", privilege::set_real_time(global.real_time_priority));
    }
    warn("capabilities are not dropped", privilege::keep_capabilities(&[CAP_NET_ADMIN, CAP_NET_RAW]));
    warn("system calls are not restricted", restrict_system_calls());
}

fn warn(what: &str, result: io::Result<()>) {
    if let Err(error) = result {
        log::warning!("{what}: {error}");
    }
}

/// What the loop, the configuration and Rust's runtime call. Anything else is refused, not deadly:
/// a call that was forgotten here must not become a failover.
const ALLOWED: &[libc::c_long] = &[
    // The loop.
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_ctl,
    libc::SYS_timerfd_settime,
    libc::SYS_recvmmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_gettimeofday,
    // Sockets of interfaces that come, connections of the control socket.
    libc::SYS_socket,
    libc::SYS_bind,
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
    libc::SYS_accept4,
    libc::SYS_ioctl,
    libc::SYS_fcntl,
    libc::SYS_shutdown,
    // Files: the configuration, what is kept, the FIFO, the log.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_openat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_lseek,
    libc::SYS_mknodat,
    libc::SYS_renameat,
    libc::SYS_unlinkat,
    libc::SYS_ppoll,
    // Memory, and the end.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mprotect,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_geteuid,
    libc::SYS_getrandom,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_tgkill,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Older calls, which newer architectures do not have.
#[cfg(target_arch = "x86_64")]
const ALSO_ALLOWED: &[libc::c_long] =
    &[libc::SYS_epoll_wait, libc::SYS_rename, libc::SYS_unlink, libc::SYS_mknod, libc::SYS_poll];
#[cfg(not(target_arch = "x86_64"))]
const ALSO_ALLOWED: &[libc::c_long] = &[];

fn restrict_system_calls() -> io::Result<()> {
    let mut rules = BTreeMap::new();
    for number in ALLOWED.iter().chain(ALSO_ALLOWED) {
        rules.insert(*number, Vec::new());
    }
    let architecture = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter =
        SeccompFilter::new(rules, refuse, SeccompAction::Allow, architecture).map_err(io::Error::other)?;
    let program: BpfProgram = filter.try_into().map_err(io::Error::other)?;
    seccompiler::apply_filter(&program).map_err(io::Error::other)
}
