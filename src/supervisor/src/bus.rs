//! The same object on the system bus. A bus that is not there, or goes away, is waited for:
//! the box works without one, and status says whether there is one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use zbus::Connection;
use zbus::connection::Builder;

use crate::door::Door;
use crate::objects::Objects;
use crate::service::{Caller, Rights};

/// Between two tries: init starts the bus again within a second.
const RETRY: Duration = Duration::from_secs(2);

/// Serves the interface on the system bus for as long as the event loop turns; tells whether it
/// is served there now.
pub(crate) fn serve(door: Door) -> Arc<AtomicBool> {
    let is_served = Arc::new(AtomicBool::new(false));
    tokio::spawn(keep_serving(door, Arc::clone(&is_served)));
    is_served
}

async fn keep_serving(door: Door, is_served: Arc<AtomicBool>) {
    let mut tried = String::new();
    loop {
        match connect(&door).await {
            Ok((objects, connection)) => {
                is_served.store(true, Ordering::Relaxed);
                crate::log::note(format_args!("on the system bus as {}", mark21_api::BUS_NAME));
                objects.show(&connection, None).await;
                is_served.store(false, Ordering::Relaxed);
                tried = "it has ended".to_owned();
                crate::log::error(format_args!("the system bus is gone"));
            }
            Err(error) if error.to_string() == tried => {}
            Err(error) => {
                tried = error.to_string();
                crate::log::note(format_args!("no system bus yet: {tried}"));
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn connect(door: &Door) -> zbus::Result<(Objects, Connection)> {
    // The bus's policy lets nobody else through to what changes anything.
    let caller = Caller { rights: Rights::Change, name: String::new() };
    let (mut objects, builder) = Objects::serve(Builder::system(), door, caller);
    let connection = mark21_api::connect(builder).await?;
    objects.complete(&connection).await?;
    // Only now can anybody find it.
    connection.request_name(mark21_api::BUS_NAME).await?;
    Ok((objects, connection))
}
