//! Reservations as commands meet them. A command has to name every state that it touches before it is
//! decided, and which those are stands in the reservation: so that is read first. It was either made
//! already, and then never changes in that, or it was not, and then the command may be outrun by the one
//! that makes it: once.

use prost::Message;
use tributary_chassis::{
    fault::Fault,
    outbox::{Call, Outbox, States},
};

use crate::{
    domain::{Claim, Command, Inventory, Key, find},
    error::OUTRUN,
};

/// The states that make up a reservation, as they are now.
pub(crate) async fn read(
    outbox: &Outbox<Inventory>,
    reservation_id: &str,
) -> Result<States<Inventory>, Fault> {
    let mut states = Vec::new();
    for key in Key::of_reservation(reservation_id) {
        let stored = outbox.get(&key).await?;
        states.extend(stored.map(|stored| (key, stored)));
    }
    Ok(States::new(states))
}

/// Has a command about a reservation decided.
pub(crate) async fn execute<R: Message + Default + 'static>(
    outbox: &Outbox<Inventory>,
    call: Call,
    reservation_id: &str,
    command: impl Fn(Claim) -> Command,
    respond: impl Fn(&States<Inventory>) -> R + Clone + Send + 'static,
) -> Result<R, Fault> {
    let first = attempt(outbox, call.clone(), reservation_id, &command, respond.clone()).await;
    match first {
        Err(fault) if fault.reason() == OUTRUN => {
            attempt(outbox, call, reservation_id, &command, respond).await
        }
        answer => answer,
    }
}

async fn attempt<R: Message + Default + 'static>(
    outbox: &Outbox<Inventory>,
    call: Call,
    reservation_id: &str,
    command: impl Fn(Claim) -> Command,
    respond: impl Fn(&States<Inventory>) -> R + Send + 'static,
) -> Result<R, Fault> {
    let states = read(outbox, reservation_id).await?;
    let claim = find(&states, reservation_id).map(|reservation| reservation.claim());
    outbox.execute(call, command(claim.unwrap_or_default()), respond).await
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::FutureExt as _;
    use tempfile::TempDir;
    use tributary_chassis::{outbox::OutboxOptions, timestamp};

    use super::*;
    use crate::{
        domain::{Line, ReservationState, State, StockItem},
        store::Tables,
    };

    fn call() -> Call {
        Call::new("test", "", &()).unwrap()
    }

    /// The reservation is made between the look and the command, which is queued behind it.
    #[tokio::test]
    async fn a_command_that_is_outrun_looks_again() {
        let dir = TempDir::new().unwrap();
        let options = OutboxOptions::new("inventory", dir.path());
        let outbox = Outbox::open_sled::<Tables>(options).await.unwrap();
        let saw = || "saw".to_owned();
        let create = Command::Create { sku: saw(), on_hand: 1 };
        outbox.execute(call(), create, |_| ()).await.unwrap();

        let claims = Mutex::new(Vec::new());
        let reserving = Mutex::new(None);
        let command = |claim: Claim| {
            claims.lock().unwrap().push(claim.clone());
            reserving.lock().unwrap().get_or_insert_with(|| {
                let lines = vec![Line { sku: saw(), quantity: 1 }];
                let expire_time = timestamp::now();
                let reserve = Command::Reserve { reservation_id: "o-1".to_owned(), lines, expire_time };
                let mut reserved = outbox.execute(call(), reserve, |_| ()).boxed();
                assert!((&mut reserved).now_or_never().is_none(), "it is queued, and not decided yet");
                reserved
            });
            Command::Release { reservation_id: "o-1".to_owned(), claim }
        };
        execute(&outbox, call(), "o-1", command, |_| ()).await.unwrap();
        reserving.into_inner().unwrap().unwrap().await.unwrap();

        let states = read(&outbox, "o-1").await.unwrap();
        let reservation = find(&states, "o-1").unwrap();
        assert_eq!(reservation.state, ReservationState::Released);
        assert_eq!(claims.into_inner().unwrap(), [Claim::default(), reservation.claim()]);
        let item = outbox.get(&Key::Item(saw())).await.unwrap().unwrap();
        assert_eq!(item.state, State::Item(StockItem { on_hand: 1, reserved: 0 }));
    }
}
