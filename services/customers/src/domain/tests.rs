use tributary_chassis::testing::{given, violated};

use super::*;

fn ada() -> Customer {
    Customer {
        display_name: "Ada".to_owned(),
        email: "ada@example.com".to_owned(),
        region: "EUROPE".to_owned(),
        segment: "BUILDING".to_owned(),
    }
}

fn id() -> String {
    "ada".to_owned()
}

fn create() -> Command {
    Command::Create { id: id(), state: ada() }
}

fn update(etag: &str, changes: Changes) -> Command {
    Command::Update { id: id(), etag: etag.to_owned(), changes }
}

fn delete(etag: &str) -> Command {
    Command::Delete { id: id(), etag: etag.to_owned() }
}

fn moved() -> Changes {
    Changes { region: Some("ASIA".to_owned()), ..Changes::default() }
}

fn stale() -> Rejection {
    Rejection::EtagMismatch { kind: "customer", id: id(), etag: "1-9".to_owned() }
}

#[test]
fn a_new_customer_is_created() {
    given::<Customers>([]).when(create()).then([("CustomerCreated", id(), Some(ada()))]);
}

#[test]
fn an_id_is_given_once() {
    given::<Customers>([(id(), ada())])
        .when(create())
        .then_refused(Rejection::AlreadyExists { kind: "customer", id: id() });
}

#[test]
fn an_update_writes_what_it_names() {
    for etag in ["", "1-1"] {
        given::<Customers>([(id(), ada())]).when(update(etag, moved())).then([(
            "CustomerUpdated",
            id(),
            Some(Customer { region: "ASIA".to_owned(), ..ada() }),
        )]);
    }
}

#[test]
fn an_update_that_changes_nothing_writes_nothing() {
    let same = Changes { region: Some("EUROPE".to_owned()), ..Changes::default() };
    for changes in [same, Changes::default()] {
        given::<Customers>([(id(), ada())]).when(update("1-1", changes)).then_nothing();
    }
}

#[test]
fn a_deleted_customer_is_gone() {
    given::<Customers>([(id(), ada())]).when(delete("1-1")).then([("CustomerDeleted", id(), None)]);
}

#[test]
fn a_stale_etag_is_refused() {
    for command in [update("1-9", moved()), delete("1-9")] {
        given::<Customers>([(id(), ada())]).when(command).then_refused(stale());
    }
}

#[test]
fn what_is_not_there_cannot_be_changed() {
    for command in [update("", moved()), update("1-9", moved()), delete("")] {
        given::<Customers>([]).when(command).then_refused(CUSTOMER.not_found("ada"));
    }
}

/// The fields that are refused when `set` has changed the valid customer.
fn refused(set: impl FnOnce(&mut Customer)) -> Vec<String> {
    let mut customer = ada();
    set(&mut customer);
    let Customer { display_name, email, region, segment } = customer;
    let changes = Changes {
        display_name: Some(display_name),
        email: Some(email),
        region: Some(region),
        segment: Some(segment),
    };
    violated(|violations| changes.check(violations))
}

#[test]
fn texts_have_bounds() {
    let none: Vec<String> = vec![];
    assert_eq!(refused(|_| ()), none);
    assert_eq!(refused(|c| c.display_name = "ü".repeat(200)), none);
    assert_eq!(refused(|c| c.display_name = "ü".repeat(201)), ["customer.display_name"]);
    assert_eq!(refused(|c| c.display_name.clear()), ["customer.display_name"]);
    assert_eq!(refused(|c| c.region = "R".repeat(64)), none);
    assert_eq!(refused(|c| c.region = "R".repeat(65)), ["customer.region"]);
    assert_eq!(refused(|c| c.region.clear()), ["customer.region"]);
    assert_eq!(refused(|c| c.segment.clear()), none);
    assert_eq!(refused(|c| c.segment = "S".repeat(64)), none);
    assert_eq!(refused(|c| c.segment = "S".repeat(65)), ["customer.segment"]);
}

#[test]
fn an_email_is_an_address_or_left_out() {
    let address = |length: usize| format!("{}@example.com", "a".repeat(length - "@example.com".len()));
    for email in ["", "a@b", &address(254)] {
        assert!(refused(|c| c.email = email.to_owned()).is_empty(), "{email}");
    }
    for email in ["ada", "@", "@b", "a@", "a@b@c", "a@@b", &address(255), "a\u{0}@b"] {
        assert_eq!(refused(|c| c.email = email.to_owned()), ["customer.email"], "{email}");
    }
}

#[test]
fn only_what_is_written_is_checked() {
    let changes = Changes { segment: Some(String::new()), ..Changes::default() };
    assert!(violated(|violations| changes.check(violations)).is_empty());
}
