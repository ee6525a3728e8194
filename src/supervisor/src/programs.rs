//! What other programs of the box log by syslog(3), put into the supervisor's log: root's alone,
//! which is the ssh server's.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::net::UnixDatagram;

/// Where syslog(3) writes to.
pub(crate) const SOCKET: &str = "/dev/log";
/// Longest message taken.
const ROOM: usize = 2048;
/// After an error, which comes again at once where it stays.
const PAUSE: Duration = Duration::from_secs(1);

/// Reads what they log for as long as the event loop turns. Where somebody does that already, as
/// on a machine with systemd, nothing is done.
///
/// # Errors
/// The socket cannot be made.
pub(crate) fn listen(path: &Path) -> io::Result<()> {
    if std::os::unix::net::UnixDatagram::unbound()?.connect(path).is_ok() {
        return Ok(());
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixDatagram::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    tokio::spawn(read(socket));
    Ok(())
}

async fn read(socket: UnixDatagram) {
    let mut buffer = [0; ROOM];
    loop {
        match socket.recv(&mut buffer).await {
            Ok(length) => {
                let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
                crate::log::note(format_args!("{}", without_stamp(&text)));
            }
            Err(error) => {
                crate::log::error(format_args!("{SOCKET}: {error}"));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// `<86>Nov 22 20:15:14 dropbear[123]: text`, less the number and the time, which the log has.
fn without_stamp(text: &str) -> &str {
    let text = text.trim_end_matches(['\n', '\0']);
    let text = text.strip_prefix('<').and_then(|rest| rest.split_once('>')).map_or(text, |(_, text)| text);
    text.get(16..).filter(|_| text.as_bytes().get(15) == Some(&b' ')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_loses_its_number_and_its_time() {
        let cases = [
            ("<86>Nov 22 20:15:14 dropbear[123]: Exit (admin)\n", "dropbear[123]: Exit (admin)"),
            ("<86>short", "short"),
            ("no stamp at all, but long enough", "no stamp at all, but long enough"),
        ];
        for (text, wanted) in cases {
            assert_eq!(without_stamp(text), wanted);
        }
    }
}
