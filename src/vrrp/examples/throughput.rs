//! What one advertisement costs, received and sent: `cargo run --release -p vrrp --example throughput`.

use std::hint::black_box;
use std::net::IpAddr;
use std::time::{Duration, Instant as Clock};

use vrrp::wire::{Addresses, Advertisement, ChecksumForm, MAX_LEN, MULTICAST_V4, Path};
use vrrp::{Config, Input, Instant, Parameters, Received, Router};

const ROUNDS: u32 = 1_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("a router takes {} octets, its outputs {}", size_of::<Router>(), size_of::<vrrp::Outputs>());
    let many: Vec<[u8; 4]> = (1..=255).map(|last| [10, 0, 1, last]).collect();
    for (name, list) in [("1 address", &many[..1]), ("20 addresses", &many[..20]), ("255 addresses", &many)] {
        let addresses = Addresses::V4(list);
        let active = Parameters { priority: 200, ..Parameters::new(7, "10.0.0.1".parse()?, addresses) };
        let mut active = Router::new(Config::new(&active)?);
        let mut backup = Router::new(Config::new(&Parameters::new(7, "10.0.0.2".parse()?, addresses))?);
        let _ = active.handle(Instant::EPOCH, Input::Startup);
        let _ = backup.handle(Instant::EPOCH, Input::Startup);
        let deadline = active.deadline().unwrap_or_default();
        let _ = active.handle(deadline, Input::Timer);

        let source: IpAddr = "10.0.0.1".parse()?;
        let path = Path::new(source, MULTICAST_V4.into()).ok_or("two families")?;
        let mut packet = [0; MAX_LEN];
        let advertisement = Advertisement { header: active.header(), addresses };
        let mut len = 0;
        let emit = measure(|_| {
            len = black_box(&advertisement).emit(&path, ChecksumForm::PseudoHeader, &mut packet).unwrap_or(0);
        });
        let received = Received {
            payload: &packet[..len],
            source,
            destination: MULTICAST_V4.into(),
            ttl: 255,
            is_on_link: true,
            has_options: false,
        };
        let receive = measure(|now| drop(black_box(backup.handle(now, Input::Packet(black_box(received))))));
        let send = measure(|_| {
            let due = active.deadline().unwrap_or_default();
            drop(black_box(active.handle(due, Input::Timer)));
        });
        println!("{name}: timer {send} ns, encode {emit} ns, receive {receive} ns");
    }
    Ok(())
}

/// Nanoseconds a round.
fn measure(mut round: impl FnMut(Instant)) -> u128 {
    let begin = Clock::now();
    for count in 0..ROUNDS {
        round(Instant::from_epoch(Duration::from_micros(10) * count));
    }
    begin.elapsed().as_nanos() / u128::from(ROUNDS)
}
