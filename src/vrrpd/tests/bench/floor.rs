//! What the kernel alone takes for an advertisement: two bare loops, one that sends and one that
//! hears, with nothing around them. No program through the same veth and bridge can take less.

use std::io;
use std::mem::zeroed;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::lab::Lab;
use crate::processors::{ALONE, OTHER, are_two, hold};
use crate::sockets::{check, index_of, length, raw_socket_in, set};

/// Microseconds on a processor for each advertisement.
pub(crate) struct Floor {
    pub(crate) send: f64,
    pub(crate) hear: f64,
}

/// Messages of one system call, as vrrpd has them.
const SEND_BATCH: u32 = 64;
const HEAR_BATCH: u32 = 64;
const COUNT: u32 = SEND_BATCH * 500;
/// As long as vrrpd lets packets wait.
const PAUSE: Duration = Duration::from_micros(500);

/// Measures between the first two hosts of a lab in which nobody else speaks.
pub(crate) fn floor(lab: &Lab) -> Floor {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let hears = scope.spawn(|| {
            if are_two() {
                hold(0, ALONE)?;
            }
            hear(&path(lab, 1), &is_over)
        });
        // The other has joined by then.
        std::thread::sleep(Duration::from_millis(100));
        let send = floor_of_sending(lab);
        is_over.store(true, Ordering::Relaxed);
        Floor { send, hear: hears.join().expect("it ends").expect("a loop that hears") }
    })
}

/// Measures on the first host, whoever hears it.
pub(crate) fn floor_of_sending(lab: &Lab) -> f64 {
    let send = || {
        if are_two() {
            hold(0, OTHER)?;
        }
        send(&path(lab, 0))
    };
    std::thread::scope(|scope| scope.spawn(send).join().expect("it ends").expect("a loop that sends"))
}

fn path(lab: &Lab, host: usize) -> String {
    format!("/run/netns/{}", lab.host(host))
}

/// From 10.9.0.1, as an Ethernet frame: the shortest way.
#[rustfmt::skip]
const FRAME: [u8; 46] = [
    0x01, 0x00, 0x5e, 0, 0, 18, 2, 0, 0, 0, 0, 1, 0x08, 0x00,
    0x45, 0xc0, 0, 32, 0, 0, 0x40, 0, 255, 112, 0x90, 0x91, 10, 9, 0, 1, 224, 0, 0, 18,
    0x31, 9, 100, 1, 0, 100, 0, 0, 172, 16, 0, 1,
];

fn send(namespace: &str) -> io::Result<f64> {
    let socket = raw_socket_in(namespace, libc::AF_PACKET, 0)?;
    // SAFETY: plain data.
    let mut to: libc::sockaddr_ll = unsafe { zeroed() };
    to.sll_family = u16::try_from(libc::AF_PACKET).expect("small");
    to.sll_ifindex = index_of(c"eth0");
    to.sll_halen = 6;
    let mut vector = libc::iovec { iov_base: FRAME.as_ptr().cast_mut().cast(), iov_len: FRAME.len() };
    // SAFETY: plain data.
    let mut header: libc::mmsghdr = unsafe { zeroed() };
    header.msg_hdr.msg_name = (&raw mut to).cast();
    header.msg_hdr.msg_namelen = length::<libc::sockaddr_ll>();
    (header.msg_hdr.msg_iov, header.msg_hdr.msg_iovlen) = (&raw mut vector, 1);
    let mut headers = [header; SEND_BATCH as usize];
    let begin = thread_time();
    let mut sent = 0;
    while sent < COUNT {
        // SAFETY: there are so many headers, and all point to what lives until the end.
        let count =
            check(unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), SEND_BATCH, 0) })?;
        sent += count.cast_unsigned();
    }
    Ok(micros(thread_time() - begin, sent))
}

fn hear(namespace: &str, is_over: &AtomicBool) -> io::Result<f64> {
    let socket = raw_socket_in(namespace, libc::AF_INET, 112)?;
    let group = libc::ip_mreqn {
        imr_multiaddr: libc::in_addr { s_addr: u32::from_ne_bytes([224, 0, 0, 18]) },
        imr_address: libc::in_addr { s_addr: u32::from_ne_bytes([10, 9, 0, 2]) },
        imr_ifindex: 0,
    };
    set(&socket, libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP, &group)?;
    set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &(1_i32 << 22))?;
    let mut buffers = [[0_u8; 128]; HEAR_BATCH as usize];
    let mut vectors =
        buffers.each_mut().map(|buffer| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: 128 });
    // SAFETY: plain data, of which each is a copy.
    let mut headers = [unsafe { zeroed::<libc::mmsghdr>() }; HEAR_BATCH as usize];
    for (header, vector) in headers.iter_mut().zip(&mut vectors) {
        (header.msg_hdr.msg_iov, header.msg_hdr.msg_iovlen) = (vector, 1);
    }
    let (begin, mut heard) = (thread_time(), 0);
    loop {
        // SAFETY: there are so many headers, and all point to what lives until the end.
        let result = check(unsafe {
            let flags = libc::MSG_DONTWAIT;
            let no_limit = std::ptr::null_mut();
            libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), HEAR_BATCH, flags, no_limit)
        });
        match result {
            Ok(count) => heard += count.cast_unsigned(),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            Err(_) if is_over.load(Ordering::Relaxed) => return Ok(micros(thread_time() - begin, heard)),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).expect("below a second"))
}

fn micros(time: Duration, count: u32) -> f64 {
    time.as_secs_f64() * 1e6 / f64::from(count.max(1))
}
