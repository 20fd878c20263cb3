//! Every kind of field, and the rows it gives.

use serde_json::json;
use tributary_proto::feed::v1::Operation;

use crate::schema::{
    Schema, Value,
    fixture::{Published, publish},
};

/// Each table in a few lines, as `\d` would show it.
fn text(schema: &Schema) -> String {
    let mut text = String::new();
    for table in schema.tables() {
        text += &format!("{} ({})\n", table.name(), table.relation.key.join(", "));
        for column in table.columns() {
            let null = if column.nullable { " null" } else { "" };
            text += &format!("  {} {}{null}\n", column.name, column.ty);
        }
    }
    text
}

pub(super) const EVERYTHING: &str = r#"
    message Everything {
      option (tributary.options.v1.entity) = {table: "things"};
      string id = 1 [(tributary.options.v1.field).key = true];
      bool a_bool = 2;
      int32 an_int32 = 3;
      sint64 a_sint64 = 4;
      uint64 a_uint64 = 5;
      fixed64 a_fixed64 = 6;
      sfixed32 a_sfixed32 = 7;
      float a_float = 8;
      double a_double = 9;
      bytes a_bytes = 10;
      Kind kind = 11;
      optional int64 maybe = 12;
      google.protobuf.Timestamp at = 13;
      google.protobuf.StringValue wrapped = 14;
      google.protobuf.Duration lasting = 15;
      google.protobuf.Struct free = 16;
      Price price = 17;
      oneof choice { string by_name = 18; Price by_price = 19; Everything by_self = 20; google.protobuf.Int64Value by_number = 21; }
      repeated string tags = 22;
      repeated Kind kinds = 23;
      map<string, int64> counts = 24;
      map<int32, Price> prices = 25;
      repeated Part parts = 26;
      Empty empty = 27;
      string secret = 28 [(tributary.options.v1.field).skip = true];
      string camelCase = 29 [(tributary.options.v1.field).name = "renamed"];
      repeated google.protobuf.Timestamp times = 30;
      Box box = 31;
      repeated int64 numbers = 32;
    }
    enum Kind { KIND_UNSPECIFIED = 0; PAPER = 1; AUDIO = 2; }
    message Price { string currency = 1; int64 minor_units = 2; optional bool net = 3; }
    message Part {
      int64 number = 1 [(tributary.options.v1.field).key = true];
      Price price = 2;
      repeated Word words = 3 [(tributary.options.v1.field).name = "words"];
    }
    message Word { string text = 1; bool bold = 2; }
    message Box { int32 width = 1; repeated Word labels = 2; }
    message Empty {}
"#;

#[test]
fn every_kind_of_field_has_its_column() {
    let expected = "\
things (id)
  id text
  a_bool boolean
  an_int32 bigint
  a_sint64 bigint
  a_uint64 bigint
  a_fixed64 bigint
  a_sfixed32 bigint
  a_float double precision
  a_double double precision
  a_bytes bytea
  kind text
  maybe bigint null
  at timestamptz null
  wrapped text null
  lasting jsonb null
  free jsonb null
  price_currency text null
  price_minor_units bigint null
  price_net boolean null
  by_name text null
  by_price_currency text null
  by_price_minor_units bigint null
  by_price_net boolean null
  by_self jsonb null
  by_number bigint null
  tags jsonb
  kinds jsonb
  counts jsonb
  prices jsonb
  empty jsonb null
  renamed text
  times jsonb
  box_width bigint null
  numbers jsonb
things_parts (id, number)
  id text
  number bigint
  price_currency text null
  price_minor_units bigint null
  price_net boolean null
words (id, number, ordinal)
  id text
  number bigint
  ordinal bigint
  text text
  bold boolean
things_box_labels (id, ordinal)
  id text
  ordinal bigint
  text text
  bold boolean
";
    assert_eq!(text(&publish(EVERYTHING).schema().unwrap()), expected);
}

/// Rows of one table, as JSON, of the entity given as JSON.
fn rows(published: &Published, entity: &str, json: &serde_json::Value, table: &str) -> serde_json::Value {
    let schema = published.schema().unwrap();
    let image = schema.decode(&published.upsert(1, entity, json)).unwrap();
    let (_, entity) = schema.entity(entity).unwrap();
    let place = entity.tables.iter().position(|t| t.name() == table).unwrap();
    let rows = &image.rows.unwrap()[place];
    let cell = |value: &Value| match value {
        Value::Null => json!(null),
        Value::Integer(value) => json!(value),
        Value::Real(value) => json!(value),
        Value::Text(value) => json!(value),
        Value::Blob(value) => json!(value),
    };
    let names = entity.tables[place].columns().iter().map(|column| &column.name);
    rows.iter()
        .map(|row| names.clone().cloned().zip(row.iter().map(cell)).collect::<serde_json::Map<_, _>>())
        .collect()
}

#[test]
fn what_is_absent_is_null_or_the_default() {
    let things = rows(&publish(EVERYTHING), "things", &json!({"id": "a"}), "things");
    assert_eq!(
        things,
        json!([{
            "id": "a", "a_bool": 0, "an_int32": 0, "a_sint64": 0, "a_uint64": 0, "a_fixed64": 0, "a_sfixed32": 0,
            "a_float": 0.0, "a_double": 0.0, "a_bytes": [], "kind": "KIND_UNSPECIFIED", "maybe": null, "at": null,
            "wrapped": null, "lasting": null, "free": null, "price_currency": null, "price_minor_units": null,
            "price_net": null, "by_name": null, "by_price_currency": null, "by_price_minor_units": null,
            "by_price_net": null, "by_self": null, "by_number": null, "tags": "[]", "kinds": "[]", "counts": "{}",
            "prices": "{}", "empty": null, "renamed": "", "times": "[]", "box_width": null, "numbers": "[]",
        }])
    );
}

#[test]
fn what_is_there_is_kept() {
    let published = publish(EVERYTHING);
    let json = json!({
        "id": "a", "aBool": true, "anInt32": -1, "aSint64": "-5", "aUint64": "9223372036854775807", "aFixed64": "7",
        "aSfixed32": -7, "aFloat": 0.5, "aDouble": 1e300, "aBytes": "AQI=", "kind": "AUDIO", "maybe": "0",
        "at": "1969-12-31T23:59:59.999999999Z", "wrapped": "", "lasting": "1.5s", "free": {"b": [1, null], "a": {}},
        "price": {}, "byNumber": "3", "tags": ["x", ""], "kinds": ["PAPER", 7], "counts": {"b": "1", "a": "2"},
        "prices": {"-1": {"currency": "EUR"}}, "empty": {}, "secret": "hidden", "camelCase": "c",
        "times": ["2026-01-02T03:04:05Z"], "box": {"width": 3, "labels": [{"text": "l"}]}, "numbers": ["1", "-1"],
        "parts": [
            {"number": "2", "price": {"minorUnits": "5", "net": false}, "words": [{"text": "w"}, {"bold": true}]},
            {"number": "1"},
        ],
    });
    assert_eq!(
        rows(&published, "things", &json, "things"),
        json!([{
            "id": "a", "a_bool": 1, "an_int32": -1, "a_sint64": -5, "a_uint64": i64::MAX, "a_fixed64": 7,
            "a_sfixed32": -7, "a_float": 0.5, "a_double": 1e300, "a_bytes": [1, 2], "kind": "AUDIO", "maybe": 0,
            "at": -1, "wrapped": "", "lasting": "\"1.500s\"", "free": r#"{"a":{},"b":[1.0,null]}"#,
            "price_currency": "", "price_minor_units": 0, "price_net": null, "by_name": null,
            "by_price_currency": null, "by_price_minor_units": null, "by_price_net": null, "by_self": null,
            "by_number": 3, "tags": r#"["x",""]"#, "kinds": r#"["PAPER",7]"#, "counts": r#"{"a":"2","b":"1"}"#,
            "prices": r#"{"-1":{"currency":"EUR"}}"#, "empty": "{}", "renamed": "c",
            "times": r#"["2026-01-02T03:04:05Z"]"#, "box_width": 3, "numbers": r#"["1","-1"]"#,
        }])
    );
    assert_eq!(
        rows(&published, "things", &json, "things_parts"),
        json!([
            {"id": "a", "number": 2, "price_currency": "", "price_minor_units": 5, "price_net": 0},
            {"id": "a", "number": 1, "price_currency": null, "price_minor_units": null, "price_net": null},
        ])
    );
    assert_eq!(
        rows(&published, "things", &json, "words"),
        json!([
            {"id": "a", "number": 2, "ordinal": 1, "text": "w", "bold": 0},
            {"id": "a", "number": 2, "ordinal": 2, "text": "", "bold": 1},
        ])
    );
    assert_eq!(
        rows(&published, "things", &json, "things_box_labels"),
        json!([{"id": "a", "ordinal": 1, "text": "l", "bold": 0}])
    );
}

#[test]
fn children_of_children_have_an_ordinal_each() {
    let published = publish(
        r#"message A {
             option (tributary.options.v1.entity) = {table: "a"};
             string id = 1 [(tributary.options.v1.field).key = true];
             repeated B bs = 2;
           }
           message B { int64 n = 1; repeated C cs = 2; }
           message C { repeated D ds = 1; }
           message D { int64 n = 1; }"#,
    );
    assert_eq!(
        text(&published.schema().unwrap()).split_once("a_bs_cs_ds").unwrap().1,
        " (id, bs_ordinal, bs_cs_ordinal, ordinal)
  id text
  bs_ordinal bigint
  bs_cs_ordinal bigint
  ordinal bigint
  n bigint
"
    );
    let json = json!({"id": "x", "bs": [{}, {"cs": [{"ds": [{}]}, {"ds": [{}, {"n": 5}]}]}]});
    let deepest = rows(&published, "a", &json, "a_bs_cs_ds");
    assert_eq!(deepest[2], json!({"id": "x", "bs_ordinal": 2, "bs_cs_ordinal": 2, "ordinal": 2, "n": 5}));
}

#[test]
fn messages_within_themselves_are_json() {
    let json = json!({"id": "a", "bySelf": {"id": "b", "bySelf": {"id": "c"}}});
    let things = rows(&publish(EVERYTHING), "things", &json, "things");
    assert_eq!(things[0]["by_self"], r#"{"bySelf":{"id":"c"},"id":"b"}"#);
}

#[test]
fn a_deletion_needs_the_key_alone() {
    let published = publish(crate::schema::fixture::LIBRARY);
    let schema = published.schema().unwrap();
    let image = schema.decode(&published.delete(9, "loans", &json!({"number": "4", "branch": "x"}))).unwrap();
    assert_eq!(image.key, [Value::Text("x".to_owned()), Value::Integer(4)]);
    assert_eq!((image.sequence, image.rows), (9, None));
}

#[test]
fn what_cannot_be_decoded_is_named() {
    let published = publish(EVERYTHING);
    let schema = published.schema().unwrap();
    let upsert = |json| published.upsert(7, "things", &json);
    let wire = |bytes: &[u8]| published.change(7, "things", Operation::Upsert, bytes.to_vec());
    let mut cases = vec![
        (upsert(json!({"aUint64": "9223372036854775808"})), "field `a_uint64`: 9223372036854775808 is above"),
        (upsert(json!({"aDouble": "NaN"})), "field `a_double`: NaN cannot be stored"),
        (
            upsert(json!({"parts": [{"number": 1}, {"number": 1}]})),
            "field `things_parts`: two of its elements",
        ),
        (wire(&[0x10]), "invalid"),
        (wire(&[0x12, 0x00]), "field `a_bool`"),
        (wire(&[0x0a, 0x01, 0xff]), "field `id`"),
        (wire(&[0x88, 0x01, 0x00]), "field `price`: a message is expected"),
        (wire(&[0x8a, 0x01, 0x05, 0x00]), "field `price`: it is cut off"),
        (wire(&[0x6a, 0x0a, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), "field `at`"),
        (wire(&[0x6a, 0x02, 0x10, 0xff]), "field `at`"),
    ];
    let good = upsert(json!({"id": "a"}));
    for (change, expected) in [
        (tributary_proto::feed::v1::Change { value: None, ..good.clone() }, "it has no value"),
        (tributary_proto::feed::v1::Change { operation: 0, ..good.clone() }, "its operation is 0"),
        (tributary_proto::feed::v1::Change { operation: 9, ..good.clone() }, "its operation is 9"),
        (tributary_proto::feed::v1::Change { entity: "x".to_owned(), ..good.clone() }, "never described"),
    ] {
        cases.push((change, expected));
    }
    let mut foreign = good;
    foreign.value.as_mut().unwrap().type_url = "x/library.v1.Price".to_owned();
    cases.push((foreign, "not a `library.v1.Everything`"));
    for (change, expected) in cases {
        let error = schema.decode(&change).unwrap_err();
        assert!(error.to_string().contains(expected), "{error} lacks {expected}");
        assert_eq!((error.sequence, &*error.key), (7, "key of 7"));
    }
}
