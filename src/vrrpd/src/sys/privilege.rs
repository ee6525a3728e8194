//! Real-time priority, capabilities.

use std::io;

use super::check;

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
