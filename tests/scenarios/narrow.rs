//! Four clients on two servers that share a passive range of four ports, for both recipes:
//! nobody gets another server's data.

use mark21_lab::content::Content;
use mark21_lab::ftp::Mode;
use mark21_lab::topology::{client_address, virtual_ftp};
use mark21_lab::transfers::{four_clients_at_once, there_and_back};
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Lab, Result, scenario};

#[test]
fn clients_at_once_stay_on_their_own_server_with_rewrite() {
    scenario(|lab| clients_at_once(lab, "rewrite"));
}

#[test]
fn clients_at_once_stay_on_their_own_server_with_server() {
    scenario(|lab| clients_at_once(lab, "server"));
}

fn clients_at_once(lab: &mut Lab, recipe: &str) -> Result {
    let boot = Boot::with_file("narrow.toml")?
        .replace("kind = \"ftp\"\n", &format!("kind = \"ftp\"\npassive = \"{recipe}\"\n"))?;
    let mut director = lab.boot(&boot)?;
    director.wait_serving()?;
    lab.step("serving");
    let lines = Some(director.server_config("ftp")?);
    lab.start_ftp_servers(&Settings { length: 200_000, lines, ..Settings::default() })?;
    four_clients_at_once(lab)?;
    lab.step("four clients at once");
    let content = Content::generate("upload", 50_000_000);
    for mode in [Mode::Pasv, Mode::Port] {
        let [up, down] = there_and_back(lab, (client_address(2), virtual_ftp()), mode, &content)?;
        let (up, down) = (up.rate(), down.rate());
        lab.step(&format!("{}: 50 MB up with {up:.0}, down with {down:.0} MB/s", mode.name()));
    }
    Ok(())
}
