//! Whether the gateway and the ledger agree, figure by figure.

use std::io::{self, Write as _};

use super::{
    figures::{self, Expectation, Told},
    ledger::Ledger,
    questions::{Question, Questions},
};
use crate::failure::Failure;

/// Says it on stdout; fails if a figure differs.
pub(super) async fn pronounce(ledger: &Ledger, questions: &Questions<'_>) -> Result<(), Failure> {
    let mut differ: u32 = 0;
    let mut say = |title: &str, expected: &Expectation, told: &Told| -> io::Result<()> {
        let (agrees, text) = figures::verdict(title, expected, told);
        differ += u32::from(!agrees);
        io::stdout().lock().write_all(text.as_bytes())
    };
    for (title, expected, question) in [
        ("orders by state", ledger.orders(), Question::Orders),
        ("units and revenue by product", ledger.sold(), Question::Sold),
        ("stock by product", ledger.stock(), Question::Stock),
        ("payments by state and currency", ledger.payments(), Question::Payments),
        ("shipments by state", ledger.shipments(), Question::Shipments),
    ] {
        say(title, &expected, &questions.ask(question).await?)?;
    }
    say("revenue by region and currency", &ledger.revenue(), &questions.revenue().await?)?;
    match differ {
        0 => Ok(()),
        1 => Err(Failure::failed("a figure of the gateway differs from the ledger of the replies")),
        n => {
            Err(Failure::failed(format!("{n} figures of the gateway differ from the ledger of the replies")))
        }
    }
}
