//! The interface's own socket: who may connect, and what each may do there.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::net::UnixListener;
use zbus::connection::Builder;
use zbus::{Connection, Guid};

use crate::crowd::Crowd;
use crate::door::Door;
use crate::objects::Objects;
use crate::service::{Caller, Rights};
use crate::stream::Bounded;

/// The user of a connection whose credentials are not told.
const NOBODY: u32 = u32::MAX;
/// A client that does not finish its handshake in this time is cut off.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Serves the interface peer to peer on a socket that everybody on the box may open.
///
/// # Errors
/// The socket cannot be made.
pub(crate) fn listen(socket: &Path, door: Door) -> io::Result<()> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o666))?;
    tokio::spawn(accept(listener, door));
    Ok(())
}

async fn accept(listener: UnixListener, door: Door) {
    let crowd = Crowd::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let caller = caller(&stream);
                let uid = stream.peer_cred().map_or(NOBODY, |peer| peer.uid());
                // One who is too many finds the connection closed.
                let Some(place) = crowd.admit(uid, caller.rights == Rights::Change) else { continue };
                let (door, (stream, wish)) = (door.clone(), Bounded::new(stream, uid));
                tokio::spawn(async move {
                    let served = tokio::time::timeout(HANDSHAKE, serve(stream, &door, caller)).await;
                    if let Ok(Ok((objects, connection))) = served {
                        objects.show(&connection, Some(wish)).await;
                    }
                    drop(place);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: waiting is all that helps.
                crate::log::error(format_args!("a client could not be let in: {error}"));
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn serve(stream: Bounded, door: &Door, caller: Caller) -> zbus::Result<(Objects, Connection)> {
    let builder = Builder::socket(stream).server(Guid::generate()).p2p();
    let (objects, builder) = Objects::serve(builder, door, caller);
    Ok((objects, mark21_api::connect(builder).await?))
}

/// By the peer's credentials, which the kernel vouches for (unix(7), SO_PEERCRED).
fn caller(stream: &tokio::net::UnixStream) -> Caller {
    let Ok(peer) = stream.peer_cred() else {
        return Caller { rights: Rights::Read, name: "unknown".to_owned() };
    };
    let admins = number_of(&fs::read_to_string("/etc/group").unwrap_or_default(), "admin");
    let may_change = peer.uid() == 0 || Some(peer.gid()) == admins;
    Caller { rights: if may_change { Rights::Change } else { Rights::Read }, name: user_name(peer.uid()) }
}

/// The name of a user, or his number where he has none (passwd(5)).
pub(crate) fn user_name(uid: u32) -> String {
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut lines = text.lines().map(|line| line.split(':'));
    let name = lines.find_map(|mut fields| {
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| uid.to_string())
}

/// The number of a group in the text of /etc/group (group(5)).
fn number_of(text: &str, name: &str) -> Option<u32> {
    let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let text = "root:x:0:\nadministrators:x:7:\nadmin:x:1000:\n";
        assert_eq!(number_of(text, "admin"), Some(1000));
        assert_eq!(number_of(text, "adm"), None);
        assert_eq!(number_of("admin\nadmin:x:", "admin"), None);
    }

    #[test]
    fn a_user_has_a_name_or_a_number() {
        assert_eq!(user_name(0), "root");
        assert_eq!(user_name(u32::MAX), u32::MAX.to_string());
    }
}
