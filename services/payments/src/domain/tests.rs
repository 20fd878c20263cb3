use tributary_chassis::testing::{given, violated};

use super::*;

use Operation::{Authorize, Capture, Refund, Void};

fn id() -> String {
    "p-1".to_owned()
}

fn charge() -> Charge {
    Charge {
        order_id: "o-1".to_owned(),
        customer_id: "ada".to_owned(),
        amount: Money { currency_code: "EUR".to_owned(), minor_units: 2500 },
        token: Token("tok_ok".to_owned()),
    }
}

fn at(stage: Stage) -> Payment {
    Payment::Asked { charge: charge(), stage }
}

fn wish(operation: Operation) -> Wish {
    match operation {
        Authorize => Wish::Authorize(charge()),
        Capture => Wish::Capture,
        Void => Wish::Void,
        Refund => Wish::Refund,
    }
}

fn begin(operation: Operation) -> Command {
    Command::Begin { payment_id: id(), wish: wish(operation) }
}

fn settle(operation: Operation, answer: Answer) -> Command {
    Command::Settle { payment_id: id(), operation, answer }
}

fn conclude(operation: Operation, answer: Option<Answer>) -> Command {
    Command::Conclude { payment_id: id(), operation, answer }
}

fn declined() -> Answer {
    Answer::Declined { code: "no_money".to_owned() }
}

fn declined_stage() -> Stage {
    Stage::Declined { code: "no_money".to_owned() }
}

/// Every stage that there is; the match keeps it complete.
fn stages() -> [Stage; 9] {
    match Stage::Pending {
        Stage::Pending
        | Stage::Authorized
        | Stage::Declined { .. }
        | Stage::Capturing
        | Stage::Captured
        | Stage::Voiding
        | Stage::Voided
        | Stage::Refunding
        | Stage::Refunded => (),
    }
    [
        Stage::Pending,
        Stage::Authorized,
        declined_stage(),
        Stage::Capturing,
        Stage::Captured,
        Stage::Voiding,
        Stage::Voided,
        Stage::Refunding,
        Stage::Refunded,
    ]
}

/// What is expected of an operation.
#[derive(Clone, Debug)]
enum Then {
    /// The payment is at this stage.
    To(Stage),
    /// Nothing is written, and nothing refused.
    Nothing,
    /// It is not there.
    NotFound,
    /// The state does not allow it.
    Wrong,
    /// This has to be answered first.
    Blocked(Operation),
    /// It is not answered itself.
    Unanswered,
}

fn check(before: Option<Payment>, command: Command, operation: Operation, expected: Then) {
    let payment_id = id();
    let state = before.as_ref().map(Payment::state);
    let decided = given::<Payments>(before.map(|payment| (id(), payment))).when(command);
    match (expected, state) {
        (Then::To(stage), _) => decided.then([(stage.event(), id(), Some(at(stage)))]),
        (Then::Nothing, _) => decided.then_nothing(),
        (Then::NotFound, None) => decided.then_refused(PAYMENT.not_found("p-1")),
        (Then::Wrong, Some(state)) => {
            decided.then_refused(Rejection::WrongState { payment_id, operation, state });
        }
        (Then::Blocked(operation), _) => decided.then_refused(Rejection::Blocked { payment_id, operation }),
        (Then::Unanswered, _) => decided.then_refused(Rejection::Unanswered { payment_id, operation }),
        (expected, state) => panic!("{expected:?} makes no sense in {state:?}"),
    }
}

/// Every stage, with what is expected of authorize, capture, void and refund.
type Table = Vec<(Option<Payment>, [Then; 4])>;

fn check_all(table: Table, command: impl Fn(Operation) -> Command) {
    for (before, expected) in table {
        for (operation, expected) in Operation::ALL.into_iter().zip(expected) {
            check(before.clone(), command(operation), operation, expected);
        }
    }
}

#[test]
fn a_wish_leaves_an_intent_or_is_refused() {
    use Then::{Blocked, NotFound, Nothing, To, Wrong};
    let mut table: Table = vec![(Some(Payment::Barred), [Wrong, Wrong, Nothing, Wrong])];
    let of_stages = [
        [Nothing, Blocked(Authorize), Blocked(Authorize), Blocked(Authorize)],
        [Nothing, To(Stage::Capturing), To(Stage::Voiding), Wrong],
        [Nothing, Wrong, Nothing, Wrong],
        [Nothing, Nothing, Blocked(Capture), Blocked(Capture)],
        [Nothing, Nothing, Wrong, To(Stage::Refunding)],
        [Nothing, Blocked(Void), Nothing, Blocked(Void)],
        [Nothing, Wrong, Nothing, Wrong],
        [Nothing, Nothing, Wrong, Nothing],
        [Nothing, Wrong, Wrong, Nothing],
    ];
    table.extend(stages().into_iter().map(|stage| Some(at(stage))).zip(of_stages));
    check_all(table, begin);
    check(None, begin(Authorize), Authorize, To(Stage::Pending));
    check(None, begin(Capture), Capture, NotFound);
    check(None, begin(Refund), Refund, NotFound);
}

#[test]
fn what_is_voided_before_it_is_authorized_stays_so() {
    given::<Payments>([]).when(begin(Void)).then([("PaymentVoided", id(), Some(Payment::Barred))]);
    let late = Rejection::WrongState { payment_id: id(), operation: Authorize, state: State::Voided };
    given::<Payments>([(id(), Payment::Barred)]).when(begin(Authorize)).then_refused(late);
}

#[test]
fn an_id_is_for_one_charge() {
    let edits: [fn(&mut Charge); 5] = [
        |charge| charge.order_id = "o-2".to_owned(),
        |charge| charge.customer_id = "bob".to_owned(),
        |charge| charge.amount.minor_units += 1,
        |charge| charge.amount.currency_code = "USD".to_owned(),
        |charge| charge.token = Token("tok_declined".to_owned()),
    ];
    for (edit, stage) in edits.into_iter().flat_map(|edit| stages().map(|stage| (edit, stage))) {
        let mut other = charge();
        edit(&mut other);
        let command = Command::Begin { payment_id: id(), wish: Wish::Authorize(other) };
        given::<Payments>([(id(), at(stage))])
            .when(command)
            .then_refused(Refusal::AlreadyExists { kind: "payment", id: id() });
    }
}

/// The stage behind each answer that an intent waits for.
fn answers() -> [(Operation, Answer, Stage); 8] {
    [
        (Authorize, Answer::Approved, Stage::Authorized),
        (Authorize, declined(), declined_stage()),
        (Capture, Answer::Approved, Stage::Captured),
        (Capture, declined(), Stage::Authorized),
        (Void, Answer::Approved, Stage::Voided),
        (Void, declined(), Stage::Authorized),
        (Refund, Answer::Approved, Stage::Refunded),
        (Refund, declined(), Stage::Captured),
    ]
}

#[test]
fn an_answer_goes_to_the_intent_that_waits_for_it_and_to_nothing_else() {
    for (operation, answer, behind) in answers() {
        for before in stages() {
            let expected = if before == operation.asked() { Then::To(behind.clone()) } else { Then::Nothing };
            check(Some(at(before)), settle(operation, answer.clone()), operation, expected);
        }
        check(Some(Payment::Barred), settle(operation, answer.clone()), operation, Then::Nothing);
        check(None, settle(operation, answer), operation, Then::Nothing);
    }
}

#[test]
fn a_caller_is_told_what_became_of_a_wish() {
    use Then::{Blocked, NotFound, Nothing, Unanswered, Wrong};
    let mut table: Table = vec![
        (None, [NotFound, NotFound, NotFound, NotFound]),
        (Some(Payment::Barred), [Wrong, Wrong, Nothing, Wrong]),
    ];
    let of_stages = [
        [Unanswered, Blocked(Authorize), Blocked(Authorize), Blocked(Authorize)],
        [Nothing, Wrong, Wrong, Wrong],
        [Nothing, Wrong, Nothing, Wrong],
        [Nothing, Unanswered, Blocked(Capture), Blocked(Capture)],
        [Nothing, Nothing, Wrong, Wrong],
        [Nothing, Blocked(Void), Unanswered, Blocked(Void)],
        [Nothing, Wrong, Nothing, Wrong],
        [Nothing, Nothing, Wrong, Unanswered],
        [Nothing, Wrong, Wrong, Nothing],
    ];
    table.extend(stages().into_iter().map(|stage| Some(at(stage))).zip(of_stages));
    // An answer that somebody else wrote down before changes none of it, unless the intent is there.
    let is_waited_for =
        |before: &Option<Payment>, operation: Operation| *before == Some(at(operation.asked()));
    for (before, expected) in table.clone() {
        for (operation, expected) in Operation::ALL.into_iter().zip(expected) {
            if !is_waited_for(&before, operation) {
                let command = conclude(operation, Some(Answer::Approved));
                check(before.clone(), command, operation, expected);
            }
        }
    }
    check_all(table, |operation| conclude(operation, None));
}

#[test]
fn an_approval_is_written_and_told_at_once() {
    for (operation, answer, behind) in answers() {
        if answer == Answer::Approved || operation == Authorize {
            let command = conclude(operation, Some(answer));
            check(Some(at(operation.asked())), command, operation, Then::To(behind));
        }
    }
}

#[test]
fn who_is_declined_is_told_why() {
    for (operation, state) in
        [(Capture, State::Authorized), (Void, State::Authorized), (Refund, State::Captured)]
    {
        let stage = if state == State::Authorized { Stage::Authorized } else { Stage::Captured };
        for before in [operation.asked(), stage] {
            let code = "no_money".to_owned();
            given::<Payments>([(id(), at(before))])
                .when(conclude(operation, Some(declined())))
                .then_refused(Rejection::Declined { payment_id: id(), operation, state, code });
        }
    }
}

#[test]
fn what_others_are_told_of_a_stage_is_what_was_answered() {
    let states = stages().map(|stage| stage.state().name());
    let expected = [
        "PENDING",
        "AUTHORIZED",
        "DECLINED",
        "AUTHORIZED",
        "CAPTURED",
        "AUTHORIZED",
        "VOIDED",
        "CAPTURED",
        "REFUNDED",
    ];
    assert_eq!(states, expected);
    assert_eq!(Payment::Barred.state(), State::Voided);
}

/// The fields that are refused when `set` has changed the valid charge.
fn refused(set: impl FnOnce(&mut Charge)) -> Vec<String> {
    let mut charge = charge();
    set(&mut charge);
    violated(|violations| charge.check(violations))
}

#[test]
fn a_charge_has_bounds() {
    let none: Vec<String> = vec![];
    assert_eq!(refused(|_| ()), none);
    assert_eq!(refused(|c| c.order_id = "o".repeat(64)), none);
    assert_eq!(refused(|c| c.order_id = "o".repeat(65)), ["order_id"]);
    assert_eq!(refused(|c| c.customer_id.clear()), ["customer_id"]);
    assert_eq!(refused(|c| c.token.0 = "t".repeat(64)), none);
    assert_eq!(refused(|c| c.token.0 = "t".repeat(65)), ["token"]);
    assert_eq!(refused(|c| c.amount.currency_code = "eur".to_owned()), ["amount.currency_code"]);
    for minor_units in [0, i64::MAX] {
        assert_eq!(refused(|c| c.amount.minor_units = minor_units), none, "{minor_units}");
    }
    assert_eq!(refused(|c| c.amount.minor_units = -1), ["amount.minor_units"]);
}

#[test]
fn a_token_is_not_shown() {
    let command = Command::Begin { payment_id: id(), wish: Wish::Authorize(charge()) };
    let text = format!("{command:?} {:?}", at(Stage::Pending));
    assert!(text.contains("p-1") && !text.contains("tok_ok"), "{text}");
}
