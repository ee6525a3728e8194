//! An operator's `extra.nft`: it works and is kept, or it is refused with its place.

use std::time::Duration;

use anyhow::ensure;
use mark21_lab::ftp::{Client, Mode, connect_within};
use mark21_lab::topology::{client_address, virtual_ftp};
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Lab, Result, eventually, scenario};

/// How fast a foreign change must be mended beside another scenario; alone it is five seconds
/// (`survival.rs`).
const REPAIR: Duration = Duration::from_secs(60);

/// Client 4 is not wanted here.
const OFFICE: &str = r#"# Rules of our own.
define unwanted = { 198.51.100.104 }
table inet office {
    set unwanted { type ipv4_addr; flags interval; elements = $unwanted }
    set heard { type ipv4_addr; flags dynamic; timeout 1h; }
    chain early {
        type filter hook prerouting priority raw; policy accept;
        iif "eth0" ip saddr @unwanted counter drop
        update @heard { ip saddr }
    }
}
"#;

#[test]
fn an_operator_s_rules_work_and_are_kept() {
    scenario(|lab| {
        let boot = Boot { extra: Some(OFFICE.to_owned()), ..Boot::with_file("single.toml")? };
        let mut director = lab.boot(&boot)?;
        lab.start_ftp_servers(&Settings { length: 1000, ..Settings::default() })?;
        let status = director.wait_serving()?;
        lab.step(&format!("serving: {}", status["boot"]));
        works(lab)?;
        let tables = director.root("nft list tables")?;
        for change in [
            "nft delete table inet office",
            "nft flush chain inet office early",
            "nft flush ruleset",
            "nft add table ip stranger",
        ] {
            director.root(change)?;
            eventually(&format!("mended: {change}"), REPAIR, || {
                ensure!(director.root("nft list tables")? == tables);
                let verified = director.port.ask("verify", Duration::from_secs(30))?;
                ensure!(verified["code"] == "done", "{verified}");
                Ok(())
            })?;
            lab.step(change);
            works(lab)?;
        }
        // What packets have put into a set is no foreign change: it stays.
        let heard = director.root("nft list set inet office heard")?;
        ensure!(heard.contains("198.51.100.101"), "{heard}");
        let files = director.root("ls /config/generations/0001")?;
        ensure!(files.contains("extra.nft"), "{files}");

        // A file that would take our own rules away, on a box that has a good generation.
        director.root("mount -o remount,rw /config && echo 'flush ruleset' > /config/extra.nft && sync")?;
        director.reboot()?;
        let status = director.wait_serving()?;
        lab.step("serving with the generation");
        let problems = status["problems"].to_string();
        ensure!(problems.contains("extra.nft:1: it removes Mark21's own table"), "{problems}");
        ensure!(status["configuration"]["generation"] == 1, "{status:#}");
        works(lab)
    });
}

#[test]
fn a_file_that_touches_our_own_table_leaves_a_new_box_shut() {
    scenario(|lab| {
        let extra = "# Open the console's port.\ntable inet mark21 {\n    chain mine { accept; }\n}\n";
        let boot = Boot { extra: Some(extra.to_owned()), ..Boot::with_file("single.toml")? };
        let mut director = lab.boot(&boot)?;
        let status = director.wait_fail_secure()?;
        let problems = status["problems"].to_string();
        ensure!(problems.contains("extra.nft:2: it changes Mark21's own table"), "{problems}");
        lab.step("fail-secure: our own table was touched");
        for (text, reason) in [
            ("table inet office { chain c { dorp; }; }", "extra.nft:1:"),
            ("\ninclude \"/etc/passwd\"", "extra.nft:2: it may not include other files"),
        ] {
            let write = format!("cat > /config/extra.nft << 'END'\n{text}\nEND\nsync");
            director.root(&format!("mount -o remount,rw /config\n{write}"))?;
            director.reboot()?;
            let problems = director.wait_fail_secure()?["problems"].to_string();
            ensure!(problems.contains(reason), "{text}: {problems}");
            lab.step(&format!("fail-secure: {problems}"));
        }
        Ok(())
    });
}

fn works(lab: &Lab) -> Result {
    lab.client.enter(|| {
        let mut session = Client::log_in(client_address(1), virtual_ftp())?;
        session.retrieve(Mode::Pasv, "big.bin")?;
        session.quit()?;
        let silence = Duration::from_millis(1500);
        ensure!(connect_within(client_address(4), virtual_ftp(), silence).is_err(), "client 4 is let in");
        Ok(())
    })
}
