//! Every step of every way that an order can go, times everything that can happen to a step.

use shop_proto::orders::v1::CancelCause;

use super::{
    audit::{End, Expected, audit},
    shop::Shop,
    standins::{Fault, When},
};

/// A way that an order can go, by what is ordered, how it is paid, and when it is turned back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Card,
    Invoice,
    /// Of what nobody has a stock of.
    Unmanaged,
    Declined,
    OutOfStock,
    /// Turned back by a caller when the amount is set aside.
    TurnedBack,
    /// Turned back by a caller when the amount is taken.
    Refunded,
    /// On invoice, turned back by a caller when the goods are off the shelf.
    PutBack,
}

impl Way {
    pub(crate) const ALL: [Way; 8] = [
        Way::Card,
        Way::Invoice,
        Way::Unmanaged,
        Way::Declined,
        Way::OutOfStock,
        Way::TurnedBack,
        Way::Refunded,
        Way::PutBack,
    ];

    /// The steps to which something is to happen. Where the way forward is that of another, only those back.
    fn steps(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Way::Card => (&["reserve", "authorize", "commit", "capture"], &["confirm"]),
            Way::Invoice => (&["reserve", "commit"], &["confirm"]),
            Way::Unmanaged => (&["reserve", "authorize", "capture"], &["confirm"]),
            Way::Declined => (&["reserve", "authorize", "void", "release"], &["give-up", "finish"]),
            Way::OutOfStock => (&["reserve", "void", "release"], &["give-up", "finish"]),
            Way::TurnedBack => (&["void", "release"], &["finish"]),
            Way::Refunded => (&["void", "refund", "release"], &["finish"]),
            Way::PutBack => (&["release"], &["finish"]),
        }
    }

    fn end(self) -> End {
        match self {
            Way::Card | Way::Invoice | Way::Unmanaged => End::Confirmed,
            Way::Declined => End::Cancelled(CancelCause::PaymentDeclined),
            Way::OutOfStock => End::Cancelled(CancelCause::OutOfStock),
            Way::TurnedBack | Way::Refunded | Way::PutBack => End::Cancelled(CancelCause::Requested),
        }
    }

    fn by_card(self) -> bool {
        !matches!(self, Way::Invoice | Way::PutBack)
    }

    /// Sends an order this way.
    async fn go(self, shop: &Shop, order_id: &str) -> Expected {
        let faults = &shop.world.faults;
        match self {
            Way::TurnedBack => faults.plan(order_id, "authorize", Fault::Cancel(When::After)),
            Way::Refunded => faults.plan(order_id, "capture", Fault::Cancel(When::After)),
            Way::PutBack => faults.plan(order_id, "commit", Fault::Cancel(When::After)),
            Way::Card | Way::Invoice | Way::Unmanaged | Way::Declined | Way::OutOfStock => {}
        }
        let sku = match self {
            Way::Unmanaged => "gift-card",
            Way::OutOfStock => "rare",
            _ => "teapot",
        };
        let token = match (self, self.by_card()) {
            (Way::Declined, _) => "tok_declined",
            (_, true) => "tok_ok",
            (_, false) => "",
        };
        shop.place(order_id, sku, 3, token).await;
        let order_id = order_id.to_owned();
        Expected { order_id, sku, quantity: 3, by_card: self.by_card(), end: self.end(), or: None }
    }
}

/// What can happen to a call.
pub(crate) const OF_CALLS: [Fault; 5] = [
    Fault::Fails(When::Before),
    Fault::Fails(When::After),
    Fault::Silent(When::Before),
    Fault::Silent(When::After),
    Fault::Twice,
];

/// What can happen to a write of the own row.
pub(crate) const OF_WRITES: [Fault; 3] =
    [Fault::Fails(When::Before), Fault::Fails(When::After), Fault::Twice];

/// An order for each way, step and fault, all at the same time; gives what does not hold.
pub(crate) async fn findings(shop: &Shop) -> (usize, Vec<String>) {
    let mut expected = Vec::new();
    for way in Way::ALL {
        let (calls, writes) = way.steps();
        let calls = calls.iter().flat_map(|step| OF_CALLS.map(|fault| (*step, fault)));
        let writes = writes.iter().flat_map(|step| OF_WRITES.map(|fault| (*step, fault)));
        for (step, fault) in calls.chain(writes) {
            let order_id = format!("{way:?}-{step}-{}", expected.len());
            shop.world.faults.plan(&order_id, step, fault);
            expected.push(way.go(shop, &order_id).await);
        }
    }
    (expected.len(), audit(shop, &expected).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_a_step_the_order_ends_well() {
    let shop = Shop::inside(None).await;
    let (count, findings) = findings(&shop).await;
    eprintln!("{count} orders, a fault each; {} calls", shop.world.faults.seen().len());
    assert_eq!(findings, Vec::<String>::new());
}

/// The process is killed before and after the effect of each step, and once more when the order is at its end.
#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_process_is_killed_the_order_ends_well() {
    let shop = Shop::process().await;
    let mut expected = Vec::new();
    let mut kills = 0;
    for way in Way::ALL {
        for step in way.steps().0 {
            for when in [When::Before, When::After] {
                let order_id = format!("{way:?}-{step}-{when:?}");
                shop.world.faults.plan(&order_id, step, Fault::Kill(when));
                let order = way.go(&shop, &order_id).await;
                expected.push(order);
                // One at a time: so that the kill hits this step, and no other.
                assert_eq!(audit(&shop, &expected).await, Vec::<String>::new());
                kills += 1;
            }
        }
        shop.service.lock().await.kill().await;
        kills += 1;
    }
    assert_eq!(audit(&shop, &expected).await, Vec::<String>::new());
    assert_eq!(shop.service.lock().await.kills, kills);
    eprintln!("{} orders, {kills} kills", expected.len());
}
