//! The interface as a client sees it, over a socket pair: nothing of it changes by accident.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use mark21_api::status::{self, CommitOptions, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zbus::fdo::{IntrospectableProxy, ObjectManagerProxy, PropertiesProxy};
use zbus::{Guid, OwnedVariant, Variant};

use super::*;
use crate::companion::Companion;
use crate::service::Rights;
use crate::store::Store;
use crate::stream::Bounded;

const SERVER: &str = "/org/mark21/Director1/service/ftp/server/10_2e0_2e0_2e11";

/// One object of each kind.
fn snapshot() -> Status {
    Status {
        state: State::Serving,
        interfaces: vec![status::Interface { name: "outside".into(), ..Default::default() }],
        virtual_routers: vec![status::VirtualRouter { name: "outside6".into(), ..Default::default() }],
        services: Arc::new(vec![status::Service {
            name: "ftp".into(),
            real_servers: vec![status::RealServer {
                address: "10.0.0.11".into(),
                weight: 1,
                ..Default::default()
            }],
            ..Default::default()
        }]),
        ..Default::default()
    }
}

/// A client that may do what `rights` say, and the feed that it sees.
async fn client(rights: Rights) -> (Connection, Feed) {
    let (here, feed, served) = serve(rights);
    let here = here.into_std().expect("a socket");
    let (client, ()) = tokio::join!(Builder::unix_stream(here).p2p().build(), served);
    (client.expect("the client's end"), feed)
}

/// The client's end of a socket, the feed, and what serves the other end.
fn serve(rights: Rights) -> (tokio::net::UnixStream, Feed, impl Future<Output = ()>) {
    let feed = Feed::new();
    feed.show(snapshot());
    let nowhere = Path::new("/nonexistent/mark21");
    let (door, asked) = Door::new(Companion::start(nowhere), Store::new(nowhere), feed.clone(), nowhere);
    // Whatever is asked of the runtime is answered as if it were stopping.
    drop(asked);
    let (here, there) = tokio::net::UnixStream::pair().expect("a pair of sockets");
    let (stream, wish) = Bounded::new(there, 0);
    let caller = Caller { rights, name: "anna".into() };
    let builder = Builder::socket(stream).server(Guid::generate()).p2p();
    let (objects, builder) = Objects::serve(builder, &door, caller);
    let served = async {
        let connection = builder.build().await.expect("the server's end");
        tokio::spawn(async move { objects.show(&connection, Some(wish)).await });
    };
    (here, feed, served)
}

#[tokio::test]
async fn a_call_that_comes_along_with_the_greeting_is_answered() {
    let (mut here, _feed, served) = serve(Rights::Read);
    let call = zbus::Message::method_call(SERVER, "Introspect")
        .interface("org.freedesktop.DBus.Introspectable")
        .build(&())
        .expect("a message");
    let user = rustix::process::getuid().as_raw().to_string();
    let user: String = user.bytes().map(|digit| format!("{digit:02x}")).collect();
    let mut bytes = format!("\0AUTH EXTERNAL {user}\r\nBEGIN\r\n").into_bytes();
    bytes.extend_from_slice(call.data());
    here.write_all(&bytes).await.expect("it is taken");
    tokio::time::timeout(Duration::from_secs(30), served).await.expect("the greeting ends");
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("org.mark21.RealServer1") {
        let length = here.read_buf(&mut said).await.expect("an answer");
        assert_ne!(length, 0, "closed: {:?}", String::from_utf8_lossy(&said));
    }
}

async fn properties<'a>(client: &'a Connection, path: &'a str) -> PropertiesProxy<'a> {
    PropertiesProxy::builder(client)
        .destination(mark21_api::BUS_NAME)
        .path(path)
        .build()
        .await
        .expect("a proxy")
}

/// The XML of every interface, without those that every object has.
async fn interfaces_xml(client: &Connection) -> Vec<(String, String)> {
    let paths = [
        "/org/mark21/Director1",
        "/org/mark21/Director1/interface/outside",
        "/org/mark21/Director1/virtual_router/outside6",
        "/org/mark21/Director1/service/ftp",
        SERVER,
    ];
    let mut all = Vec::new();
    for path in paths {
        let object = IntrospectableProxy::builder(client).destination(mark21_api::BUS_NAME).path(path);
        let xml = object.build().await.expect("a proxy").introspect().await.expect("an answer");
        let begin = xml.find("  <interface name=\"org.mark21.").expect("an interface of ours");
        let length = xml[begin..].find("</interface>").expect("its end") + "</interface>\n".len();
        let own = &xml[begin..begin + length];
        let name = own.split('"').nth(1).expect("its name").to_owned();
        all.push((name, own.to_owned()));
    }
    all
}

#[tokio::test]
async fn the_interface_is_the_one_that_is_documented() {
    let (client, _feed) = client(Rights::Read).await;
    let mut text = String::from(
        "# The D-Bus interface\n\n\
         What `mark21d` serves, peer to peer on `/run/mark21/api.sock` and on the system bus as\n\
         `org.mark21.Director1`. This page is made from the running program\n\
         (`UPDATE=1 cargo test -p mark21-supervisor documented`); a change of it is a change of the\n\
         interface. What a call answers beside plain values is a JSON document in one string, the same that\n\
         `--json` prints; `src/api/src/status.rs` describes them and the options. An error's text says why, and\n\
         in a last line that begins with `hint: ` what to do next.\n\n\
         Everybody on the box may read what holds no secret; root and the group `admin` change.\n\
         More than 256 real servers are no objects; their services' property `RealServers` has them.\n\
         On the socket the objects below the director, and their signals, begin with the first call that\n\
         is not for the director's own methods, such as GetManagedObjects.\n\
         From a laptop, over ssh (`[management]` in the configuration):\n\n\
         ```sh\n\
         busctl --host admin@director tree org.mark21.Director1\n\
         busctl --host admin@director call org.mark21.Director1 /org/mark21/Director1 \\\n    \
             org.mark21.Director1 Drain ssb ftp 10.0.0.11 false\n\
         docs/examples/passive_range.py admin@director ftp 30000-30999 60 --confirm\n\
         ```\n",
    );
    for (name, xml) in interfaces_xml(&client).await {
        write!(text, "\n## {name}\n\n```xml\n{xml}```\n").expect("a string takes it");
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/dbus.md");
    if env::var_os("UPDATE").is_some() {
        fs::write(&page, &text).expect("the page is ours to write");
    }
    let known = fs::read_to_string(&page).unwrap_or_default();
    assert!(known == text, "docs/dbus.md is not what is served; UPDATE=1 writes it anew:\n{text}");
}

#[tokio::test]
async fn every_object_is_in_the_tree() {
    let (client, _feed) = client(Rights::Read).await;
    let root = ObjectManagerProxy::builder(&client).destination(mark21_api::BUS_NAME).path(DIRECTOR_PATH);
    let objects = root.build().await.expect("a proxy").get_managed_objects().await.expect("an answer");
    let mut ours: Vec<String> = objects.keys().map(ToString::to_string).collect();
    ours.sort_unstable();
    let below = ["interface/outside", "service/ftp", "service/ftp/server/10_2e0_2e0_2e11"];
    let mut wanted: Vec<String> = below.iter().map(|path| format!("{DIRECTOR_PATH}/{path}")).collect();
    wanted.push(format!("{DIRECTOR_PATH}/virtual_router/outside6"));
    for path in wanted {
        assert!(ours.contains(&path), "{path} is not in {ours:?}");
    }
}

#[tokio::test]
async fn who_asks_the_director_alone_costs_no_other_object() {
    let (client, _feed) = client(Rights::Read).await;
    let mut messages = zbus::MessageStream::from(&client);
    let director = mark21_api::DirectorProxy::new(&client, mark21_api::BUS_NAME).await.expect("a proxy");
    director.log(1).await.expect("an answer");
    properties(&client, SERVER)
        .await
        .get_all("org.mark21.RealServer1".try_into().expect("a name"))
        .await
        .expect("an answer");
    // The first message is the answer; after it objects come, for who asked for one.
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let message = std::future::poll_fn(|context| {
            use futures_core::Stream as _;
            std::pin::Pin::new(&mut messages).poll_next(context)
        });
        let message = message.await.expect("a message").expect("is one");
        kinds.push((message.message_type(), message.header().member().map(ToString::to_string)));
    }
    assert_eq!(kinds[0].0, zbus::message::Type::MethodReturn);
    assert_eq!(kinds[1], (zbus::message::Type::Signal, Some("InterfacesAdded".to_owned())));
}

#[tokio::test]
async fn a_changed_weight_is_a_signal_and_a_counter_only_now_and_then() {
    let (client, feed) = client(Rights::Read).await;
    let properties = properties(&client, SERVER).await;
    let name = || "org.mark21.RealServer1".try_into().expect("a name");
    let mut changes = properties.receive_properties_changed().await.expect("a stream");
    // Objects are there from the first call for one.
    properties.get(name(), "Weight").await.expect("an answer");
    let mut status = snapshot();
    // The first counters are due at once, the next ones are not.
    for (weight, active) in [(2, 5), (3, 6)] {
        let server = &mut Arc::make_mut(&mut status.services)[0].real_servers[0];
        (server.weight, server.active) = (weight, active);
        feed.show(status.clone());
        let change = std::future::poll_fn(|context| {
            use futures_core::Stream as _;
            std::pin::Pin::new(&mut changes).poll_next(context)
        });
        let change = change.await.expect("a signal");
        let changed = change.args().expect("its arguments");
        let names: Vec<&str> = changed.changed_properties().keys().copied().collect();
        assert!(names.contains(&"Weight"), "{names:?}");
        assert_eq!(names.contains(&"ActiveConnections"), active == 5, "{names:?}");
    }
    let active: OwnedVariant = properties.get(name(), "ActiveConnections").await.expect("an answer");
    assert_eq!(u32::try_from(active).ok(), Some(6), "who asks gets the newest");
}

#[tokio::test]
async fn who_may_only_read_changes_nothing() {
    let (client, _feed) = client(Rights::Read).await;
    let director = mark21_api::DirectorProxy::new(&client, mark21_api::BUS_NAME).await.expect("a proxy");
    let refused = |result: zbus::Result<()>| {
        let text = result.expect_err("is refused").to_string();
        assert!(text.contains("only root and the group admin"), "{text}");
    };
    let options = CommitOptions::default;
    refused(director.commit("schema = 1\n", options()).await.map(drop));
    refused(director.rollback(0, options()).await.map(drop));
    refused(director.confirm().await.map(drop));
    refused(director.read_generation(0).await.map(drop));
    refused(director.set_weight("ftp", "10.0.0.11", 0, false).await);
    refused(director.drain("ftp", "10.0.0.11", false).await);
    refused(director.undrain("ftp", "10.0.0.11", false).await);
    refused(director.resign("all").await);
    refused(director.reboot().await);
    refused(director.factory_reset().await);
}

#[tokio::test]
async fn options_are_taken_by_their_names_and_one_that_is_none_is_refused() {
    let (client, _feed) = client(Rights::Change).await;
    let proxy = zbus::Proxy::new(&client, mark21_api::BUS_NAME, DIRECTOR_PATH, "org.mark21.Director1");
    let proxy = proxy.await.expect("a proxy");
    // All that stands behind the door is stopping.
    let cases =
        [("confirm", Variant::from(60_u32), "stopping"), ("confrim", Variant::from(60_u32), "confrim")];
    for (name, value, wanted) in cases {
        let options = std::collections::HashMap::from([("comment", Variant::from("why")), (name, value)]);
        let answer: zbus::Result<String> = proxy.call("Commit", &("schema = 1\n", options)).await;
        let told = answer.expect_err("nothing is committed here").to_string();
        assert!(told.contains(wanted), "{name}: {told}");
    }
}

#[test]
fn a_name_in_a_path_has_letters_and_digits_only() {
    assert_eq!(
        path(&["service", "ftp-1", "server", "10.0.0.11"]),
        "/org/mark21/Director1/service/ftp_2d1/server/10_2e0_2e0_2e11"
    );
}

/// `snapshot` with so many servers.
fn farm(count: usize) -> Status {
    let mut status = snapshot();
    let server = status.services[0].real_servers[0].clone();
    let address = |number: usize| format!("10.0.{}.{}", number / 250, number % 250);
    let servers = (0..count).map(|number| status::RealServer { address: address(number), ..server.clone() });
    Arc::make_mut(&mut status.services)[0].real_servers = servers.collect();
    status
}

#[test]
fn a_large_farm_costs_a_connection_no_object_for_each_server() {
    assert_eq!(<kinds::RealServer as group::Kind>::all(&farm(256)).len(), 256);
    assert_eq!(<kinds::RealServer as group::Kind>::all(&farm(257)).len(), 0);
}

#[tokio::test]
async fn a_service_tells_of_its_servers_however_many_they_are() {
    let (client, feed) = client(Rights::Read).await;
    let properties = properties(&client, "/org/mark21/Director1/service/ftp").await;
    let name = || "org.mark21.Service1".try_into().expect("a name");
    let mut changes = properties.receive_properties_changed().await.expect("a stream");
    properties.get(name(), "Kind").await.expect("an answer");
    let mut status = farm(1000);
    Arc::make_mut(&mut status.services)[0].real_servers[999].weight = 7;
    feed.show(status);
    let change = std::future::poll_fn(|context| {
        use futures_core::Stream as _;
        std::pin::Pin::new(&mut changes).poll_next(context)
    });
    let change = change.await.expect("a signal");
    let changed = change.args().expect("its arguments");
    assert_eq!(changed.changed_properties().keys().copied().collect::<Vec<_>>(), ["RealServers"]);
    let servers: OwnedVariant = properties.get(name(), "RealServers").await.expect("an answer");
    let servers: Vec<(String, u32, i32, bool, u32, u32, u32)> = servers.try_into().expect("of its type");
    assert_eq!((servers.len(), servers[999].1), (1000, 7));
    // The one object of a server that there was has gone.
    let objects = ObjectManagerProxy::builder(&client).destination(mark21_api::BUS_NAME).path(DIRECTOR_PATH);
    let objects = objects.build().await.expect("a proxy").get_managed_objects().await.expect("an answer");
    assert!(objects.keys().all(|path| !path.as_str().contains("/server/")));
}
