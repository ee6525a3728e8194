//! FTP bytes and sessions a second: Mark21 beside the fewest `nft` and `ipvsadm` commands that
//! do the same, in the same director, one after the other again and again. Once by the clock, which
//! the host's other work disturbs, and once in instructions of the director, which say what is spent.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use mark21_lab::director::ANSWER;
use mark21_lab::ftp::{Client, Mode};
use mark21_lab::tools::ipvsadm;
use mark21_lab::topology::{client_address, virtual_ftp};
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Lab, Result, eventually};

use crate::figures::{PAIRS, Series, line};

/// As a person would set it up for `ip_vs_ftp`: a mark, the source of active data connections,
/// the service. It filters nothing.
const RULES: &str = "\
table ip hand {
    chain early {
        type filter hook prerouting priority mangle;
        ip daddr 198.51.100.21 tcp dport { 21, 10000-20000 } meta mark set 21
    }
    chain late {
        type nat hook postrouting priority srcnat;
        ip saddr 10.21.0.0/24 tcp sport 20 snat to 198.51.100.21
    }
}
";
const BY_HAND: &str = "
nft -f /run/hand.nft && cd /run/tools && export LD_LIBRARY_PATH=/run/tools &&
./ipvsadm -A -f 21 -s wlc -p 600 &&
./ipvsadm -a -f 21 -r 10.21.0.11:0 -m &&
./ipvsadm -a -f 21 -r 10.21.0.12:0 -m";
const EMPTY: &str = "nft flush ruleset; LD_LIBRARY_PATH=/run/tools /run/tools/ipvsadm -C";

const DOWNLOADS: usize = 50;
const CLIENTS: u8 = 4;
const SESSIONS_EACH: usize = 100;
/// What a change of the rules has set off is over by then.
const CALM: Duration = Duration::from_secs(3);

/// Counted ones are much the same each time.
const COUNTED_PAIRS: usize = 3;

/// Of the transfers and of the sessions.
#[derive(Default)]
struct Figures {
    rate: Series,
    sessions: Series,
}

pub(crate) fn bench(lab: &mut Lab) -> Result {
    by_the_clock(lab)?;
    in_instructions(lab)
}

fn serving(lab: &mut Lab, counted: bool) -> Result<Director> {
    let boot = Boot::with_file("single.toml")?;
    let boot = Boot { tools: vec![ipvsadm()], watchdog: false, counted, random_addresses: true, ..boot };
    let mut director = lab.boot(&boot)?;
    director.wait_serving()?;
    let lines = Some(director.server_config("ftp")?);
    lab.start_ftp_servers(&Settings { lines, ..Settings::default() })?;
    lab.step("serving");
    director.tool("ipvsadm -Sn")?;
    director.write("/run/hand.nft", RULES)?;
    Ok(director)
}

fn in_instructions(lab: &mut Lab) -> Result {
    let mut director = serving(lab, true)?;
    let (mut own, mut by_hand) = (Figures::default(), Figures::default());
    spend(lab, &mut director, &mut Figures::default())?;
    for _ in 0..COUNTED_PAIRS {
        spend(lab, &mut director, &mut own)?;
        set_up_by_hand(&mut director)?;
        spend(lab, &mut director, &mut by_hand)?;
        mended(&mut director)?;
    }
    let wanted = "in instructions, by hand / mark21 (wanted: 0.95 or more)";
    line(&format!("downloads {wanted}"), &by_hand.rate.over(&own.rate).text());
    line(&format!("sessions {wanted}"), &by_hand.sessions.over(&own.sessions).text());
    Ok(())
}

/// How long the director's processor is busy.
fn spend(lab: &Lab, director: &mut Director, figures: &mut Figures) -> Result {
    thread::sleep(CALM);
    let start = busy(director)?;
    downloads(lab)?;
    let between = busy(director)?;
    all_sessions(lab)?;
    figures.rate.push(between - start);
    figures.sessions.push(busy(director)? - between);
    Ok(())
}

/// Since it started, seconds of its own clock.
fn busy(director: &mut Director) -> Result<f64> {
    let text = director.root("cat /proc/uptime")?;
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || Ok::<_, anyhow::Error>(numbers.next().context("/proc/uptime is short")??);
    Ok(next()? - next()?)
}

fn by_the_clock(lab: &mut Lab) -> Result {
    let mut director = serving(lab, false)?;
    let (mut own, mut by_hand) = (Figures::default(), Figures::default());
    // Once to warm up.
    measure(lab, &mut Figures::default())?;
    for pair in 0..PAIRS {
        // The other one first in every other pair: what comes second is as warm as what comes first.
        if pair.is_multiple_of(2) {
            measure(lab, &mut own)?;
            set_up_by_hand(&mut director)?;
            measure(lab, &mut by_hand)?;
        } else {
            measure(lab, &mut by_hand)?;
            mended(&mut director)?;
            measure(lab, &mut own)?;
        }
    }
    line("mark21, PASV download of 20 MB, MB/s", &own.rate.text());
    line("by hand, the same, MB/s", &by_hand.rate.text());
    line("mark21 / by hand (wanted: 0.95 or more)", &own.rate.over(&by_hand.rate).text());
    line("mark21, sessions of 4 clients with a small PASV download, 1/s", &own.sessions.text());
    line("by hand, the same, 1/s", &by_hand.sessions.text());
    line("mark21 / by hand (wanted: 0.95 or more)", &own.sessions.over(&by_hand.sessions).text());
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "rates for people")]
fn measure(lab: &Lab, figures: &mut Figures) -> Result {
    thread::sleep(CALM);
    let (bytes, took) = downloads(lab)?;
    figures.rate.push(bytes as f64 / 1e6 / took.as_secs_f64());
    let start = Instant::now();
    all_sessions(lab)?;
    let count = usize::from(CLIENTS) * SESSIONS_EACH;
    figures.sessions.push(count as f64 / start.elapsed().as_secs_f64());
    Ok(())
}

/// The bytes, and the time of their transfers alone.
fn downloads(lab: &Lab) -> Result<(usize, Duration)> {
    lab.client.enter(|| {
        let mut session = Client::log_in(client_address(1), virtual_ftp())?;
        let (mut bytes, mut took) = (0, Duration::ZERO);
        for _ in 0..DOWNLOADS {
            let transfer = session.retrieve(Mode::Pasv, "big.bin")?;
            bytes += transfer.bytes;
            took += transfer.took;
        }
        session.quit()?;
        Ok((bytes, took))
    })
}

fn all_sessions(lab: &Lab) -> Result {
    thread::scope(|scope| {
        let clients = (1..=CLIENTS).map(|number| scope.spawn(move || sessions(lab, number)));
        let clients: Vec<_> = clients.collect();
        clients.into_iter().try_for_each(|one| one.join().map_err(|_| anyhow!("a client panicked"))?)
    })
}

fn sessions(lab: &Lab, number: u8) -> Result {
    lab.client.enter(|| {
        for _ in 0..SESSIONS_EACH {
            let mut session = Client::log_in(client_address(number), virtual_ftp())?;
            lab.server(&session.read_text(Mode::Pasv, "whoami.txt")?)?;
            session.quit()?;
        }
        Ok(())
    })
}

/// With what `/run/hand.nft` says, and mark21d stopped.
pub(crate) fn set_up_by_hand(director: &mut Director) -> Result {
    director.root(&format!("kill -STOP $(pidof mark21d); {EMPTY}; {BY_HAND}"))?;
    Ok(())
}

/// mark21d goes on and has put everything back.
fn mended(director: &mut Director) -> Result {
    director.root(&format!("{EMPTY}; kill -CONT $(pidof mark21d)"))?;
    eventually("mark21d's own rules", Duration::from_secs(30), || {
        let verified = director.port.ask("verify", ANSWER)?;
        ensure!(verified["code"] == "done", "{verified}");
        Ok(())
    })
}
