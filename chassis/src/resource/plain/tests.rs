use prost_types::FieldMask;
use tempfile::TempDir;
use tonic::Code;

use super::*;
use crate::{
    fault::Reason,
    outbox::{Published as _, SledTables as _},
    testing::{check_fields, refusal},
};

#[derive(Clone, PartialEq, prost::Message)]
struct Lamp {
    #[prost(string, tag = "1")]
    lamp_id: String,
    #[prost(string, tag = "2")]
    colour: String,
    #[prost(string, tag = "3")]
    colour_at_night: String,
    #[prost(int32, tag = "4")]
    power: i32,
    /// Chosen once.
    #[prost(string, tag = "5")]
    room: String,
    #[prost(message, optional, tag = "6")]
    create_time: Option<Timestamp>,
    #[prost(message, optional, tag = "7")]
    update_time: Option<Timestamp>,
    #[prost(string, tag = "8")]
    etag: String,
}

impl Name for Lamp {
    const NAME: &'static str = "Lamp";
    const PACKAGE: &'static str = "test";
}

impl Resource for Lamp {
    const KIND: Kind = Kind("lamp");
    const TABLE: &'static str = "lamps";
    const ID: &'static str = "lamp_id";

    fn header(&mut self) -> Header<'_> {
        let Self { lamp_id: id, create_time, update_time, etag, .. } = self;
        Header { id, create_time, update_time, etag }
    }

    fn check(&self, violations: &mut Violations) {
        violations.text("lamp.colour", &self.colour, 1, 10);
        violations.text("lamp.colour_at_night", &self.colour_at_night, 0, 10);
        violations.int("lamp.power", self.power, 0, 100);
        violations.check(
            self.colour != self.colour_at_night,
            "lamp.colour_at_night",
            "must be another than the colour",
        );
    }

    fn update(&mut self, from: Self, update: &mut Update<'_>) {
        update.field("colour", &mut self.colour, from.colour);
        update.field("colour_at_night", &mut self.colour_at_night, from.colour_at_night);
        update.field("power", &mut self.power, from.power);
    }
}

fn lamp() -> Lamp {
    Lamp { colour: "red".to_owned(), power: 60, room: "hall".to_owned(), ..Lamp::default() }
}

fn call(request_id: &str, request: &impl Message) -> Call {
    Call::new("test", request_id, request).unwrap()
}

fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

async fn lamps() -> (TempDir, Collection<Lamp>) {
    let dir = TempDir::new().unwrap();
    let lamps = Collection::open(OutboxOptions::new("lamps", dir.path())).await.unwrap();
    (dir, lamps)
}

impl Collection<Lamp> {
    async fn put(&self, id: &str, lamp: Lamp) -> Result<Lamp, Status> {
        let call = call("", &lamp);
        Ok(self.create(call, id.to_owned(), Some(lamp)).await?.into_inner())
    }

    async fn change(&self, lamp: Lamp, paths: &[&str]) -> Result<Lamp, Status> {
        let call = call("", &lamp);
        Ok(self.update(call, Some(lamp), mask(paths)).await?.into_inner())
    }
}

#[tokio::test]
async fn a_life_from_creation_to_deletion() {
    let (_dir, lamps) = lamps().await;
    let invented = Lamp { etag: "mine".to_owned(), create_time: Some(Timestamp::default()), ..lamp() };
    let created = lamps.put("a", invented).await.unwrap();
    assert_eq!((created.lamp_id.as_str(), created.etag.as_str()), ("a", "1-1"));
    assert!(created.create_time.is_some_and(|time| time.seconds > 0) && created.update_time.is_some());
    assert_eq!(lamps.get("a".to_owned()).await.unwrap().into_inner(), created);

    let off = Lamp { power: 0, ..created.clone() };
    let changed = lamps.change(off, &["power"]).await.unwrap();
    assert_eq!((changed.power, changed.etag.as_str()), (0, "2-2"));
    assert_eq!(lamps.change(changed.clone(), &[]).await.unwrap(), changed, "nothing is changed, so no write");

    let chosen = lamps.put("", lamp()).await.unwrap();
    assert_eq!(chosen.lamp_id.len(), 36);
    let page = lamps.list(1, "").await.unwrap();
    assert_eq!(page.items.len(), 1);
    let rest = lamps.list(1, &page.next_page_token).await.unwrap();
    assert_eq!((page.items, rest.items), (vec![chosen], vec![changed]), "in order of id: a UUID, and a");

    let delete = |etag: &str| lamps.delete(call("", &etag.to_owned()), "a".to_owned(), etag.to_owned());
    assert_eq!(refusal(delete("1-1").await), (Code::Aborted, Some(Reason::EtagMismatch)));
    delete("2-2").await.unwrap();
    assert_eq!(refusal(lamps.get("a".to_owned()).await), (Code::NotFound, Some(Reason::NotFound)));
}

#[tokio::test]
async fn a_repeated_call_gets_its_first_reply() {
    let (_dir, lamps) = lamps().await;
    let create = || lamps.create(call("once", &lamp()), "a".to_owned(), Some(lamp()));
    let first = create().await.unwrap().into_inner();
    assert_eq!(create().await.unwrap().into_inner(), first);
    assert_eq!(refusal(lamps.put("a", lamp()).await), (Code::AlreadyExists, Some(Reason::AlreadyExists)));
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let (_dir, lamps) = lamps().await;
    let wrong = Lamp { lamp_id: "b".to_owned(), colour: String::new(), power: 101, ..lamp() };
    let expected = ["lamp.lamp_id", "lamp.colour", "lamp.power", "lamp.colour_at_night"];
    check_fields(0, lamps.put("a", wrong.clone()).await, &expected);
    check_fields(1, lamps.put("a b", lamp()).await, &["lamp_id"]);
    let nothing = lamps.create(call("", &lamp()), "a".to_owned(), None).await;
    check_fields(2, nothing, &["lamp.colour", "lamp.colour_at_night"]);
    let unnamed = Lamp { lamp_id: String::new(), ..wrong };
    check_fields(
        3,
        lamps.change(unnamed, &["colour", "power"]).await,
        &["lamp.lamp_id", "lamp.colour", "lamp.power"],
    );
    check_fields(4, lamps.change(lamp(), &["room"]).await, &["lamp.lamp_id", "update_mask"]);
}

#[tokio::test]
async fn an_update_writes_and_checks_what_it_names() {
    let (_dir, lamps) = lamps().await;
    lamps.put("a", lamp()).await.unwrap();
    let bright = Lamp { lamp_id: "a".to_owned(), power: 1_000, colour: "blue".to_owned(), ..Lamp::default() };
    let blue = lamps.change(bright.clone(), &["colour"]).await.unwrap();
    assert_eq!((blue.colour.as_str(), blue.power, blue.room.as_str()), ("blue", 60, "hall"));
    check_fields(0, lamps.change(bright.clone(), &["*"]).await, &["lamp.power"]);
    let refused = lamps.change(bright, &["room"]).await.unwrap_err();
    assert!(refused.message().contains("colour, colour_at_night, power, or `*`"), "{refused}");
}

#[tokio::test]
async fn a_rule_over_several_fields_holds_of_what_is_left() {
    let (_dir, lamps) = lamps().await;
    lamps.put("a", lamp()).await.unwrap();
    let night = Lamp { lamp_id: "a".to_owned(), colour_at_night: "red".to_owned(), ..Lamp::default() };
    check_fields(0, lamps.change(night, &["colour_at_night"]).await, &["lamp.colour_at_night"]);
    assert_eq!(lamps.get("a".to_owned()).await.unwrap().into_inner().colour_at_night, "");
}

/// What was written once must be read for ever.
#[test]
fn the_bytes_at_rest_are_those_of_the_message_alone() {
    let shown = Lamp { lamp_id: "a".to_owned(), etag: "1-1".to_owned(), ..lamp() };
    let bytes = Resources::<Lamp>::encode(&bare(shown));
    assert_eq!(bytes, b"\x12\x03red\x20\x3c\x2a\x04hall");
    assert_eq!(Resources::<Lamp>::decode(&bytes).unwrap(), lamp());
}

#[test]
fn a_deletion_is_published_with_its_key_alone() {
    let id = "a".to_owned();
    let gone = Resources::<Lamp>::publish(&id, None).unwrap();
    assert_eq!((gone.name, gone.value.type_url.as_str()), ("lamps", "/test.Lamp"));
    assert_eq!(Lamp::decode(gone.value.value.as_slice()).unwrap(), Lamp { lamp_id: id, ..Lamp::default() });
}
