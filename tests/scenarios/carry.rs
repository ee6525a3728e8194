//! Uploads and IPv6 through a failover: what was sent arrives whole.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, anyhow, ensure};
use mark21_lab::content::Content;
use mark21_lab::ftp::Mode;
use mark21_lab::pair::knows_connections;
use mark21_lab::topology::{client_address, client_address6, virtual_ftp, virtual_ftp6};
use mark21_lab::transfers::{slow_download, slow_upload};
use mark21_lab::{eventually, two_boxes};

use crate::failover::{SYNCHRONISED, serving, takes_over, works};

#[test]
fn uploads_of_50_mb_and_ipv6_go_on_after_a_power_cut() {
    two_boxes(|lab| {
        let [active, mut standby] = serving(lab, |boot| boot)?;
        let lab = &*lab;
        let content = Content::generate("upload", 50_000_000);
        let hurry = AtomicBool::new(false);
        let (v4, v6) = ((client_address(1), virtual_ftp()), (client_address6(2), virtual_ftp6()));
        let (content, hurry) = (&content, &hurry);
        let ended = thread::scope(|scope| {
            let uploads =
                [v4, v6].map(|ends| scope.spawn(move || slow_upload(lab, ends, Mode::Epsv, content, hurry)));
            let ends = (client_address6(3), virtual_ftp6());
            let download = scope.spawn(move || slow_download(lab, ends, Mode::Epsv, hurry));
            let moved = eventually("connections told to the other one", SYNCHRONISED, || {
                for client in [client_address(1), client_address6(2), client_address6(3)] {
                    knows_connections(&mut standby, client, 2)?;
                }
                Ok(())
            })
            .and_then(|()| {
                lab.step("two uploads and a download run, and the other one knows their connections");
                active.director.power_off();
                takes_over(lab, &mut standby)
            });
            hurry.store(true, Ordering::Relaxed);
            let panicked = |_| anyhow!("a client panicked");
            let [up4, up6] = uploads.map(|one| one.join().map_err(panicked)?);
            let download = download.join().map_err(panicked)?;
            moved?;
            let download = download.context("the download over IPv6")?.hurried;
            anyhow::Ok([up4.context("upload over IPv4")?, up6.context("upload over IPv6")?, download])
        })?;
        lab.step(&format!("all are whole; {ended:?} bytes went after the power cut"));
        ensure!(ended.iter().all(|bytes| *bytes > 0), "one was over before the power cut: {ended:?}");
        works(lab)
    });
}
