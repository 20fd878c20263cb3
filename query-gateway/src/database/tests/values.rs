use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::*;
use crate::catalog::Type;
use crate::sql::Dialect;

/// Each with what SQLite and PostgreSQL give back of it.
pub(super) fn arguments() -> Vec<(Argument<'static>, Value, Value)> {
    let text = |text: &str| Value::Text(text.to_owned());
    let numeric = |text: &str| Value::Numeric(text.to_owned());
    vec![
        (Argument::Bool(true), Value::Integer(1), Value::Bool(true)),
        (Argument::Bigint(i64::MIN), Value::Integer(i64::MIN), Value::Integer(i64::MIN)),
        (Argument::Double(-0.5), Value::Double(-0.5), Value::Double(-0.5)),
        (Argument::Numeric("-12.50".into()), text("-12.50"), numeric("-12.50")),
        (Argument::Text("čaj 'x'".into()), text("čaj 'x'"), text("čaj 'x'")),
        (Argument::Bytea(vec![0, 255].into()), Value::Bytes(vec![0, 255]), Value::Bytes(vec![0, 255])),
        (Argument::Bytea(vec![].into()), Value::Bytes(vec![]), Value::Bytes(vec![])),
        (Argument::Timestamptz(-1), Value::Integer(-1), Value::Timestamptz(-1)),
        (Argument::Jsonb("{\"a\": 1}".into()), text("{\"a\": 1}"), Value::Jsonb("{\"a\": 1}".to_owned())),
    ]
}

#[tokio::test]
async fn values_come_back_as_they_were() {
    for place in both("values_come_back_as_they_were").await {
        let mut connection = place.connect().await;
        let dialect = connection.dialect();
        for (argument, sqlite, postgres) in arguments() {
            let row: Row = connection.query("SELECT $1").keep(false).bind(argument).one().await.unwrap();
            let expected = if dialect == Dialect::Sqlite { sqlite } else { postgres };
            assert_eq!(row.value(0).unwrap(), expected, "{dialect:?}");
        }
        for ty in Type::ALL {
            let asked = connection.query("SELECT $1").keep(false).bind(Argument::Null(ty));
            let row: Row = asked.one().await.unwrap();
            assert_eq!(row.value(0).unwrap(), Value::Null, "{dialect:?} {ty}");
        }
    }
}

#[tokio::test]
async fn rows_are_read_by_type() {
    for place in both("rows_are_read_by_type").await {
        let mut connection = place.connect().await;
        connection.script(NUMBERS).await.unwrap();
        let insert = "INSERT INTO numbers (n, name) VALUES ($1, $2), ($3, NULL)";
        let inserted = connection.query(insert).bind(1).bind("one").bind(2).execute().await.unwrap();
        assert_eq!(inserted, 2);
        let rows: Vec<(i64, Option<String>)> =
            connection.query("SELECT n, name FROM numbers ORDER BY n").all().await.unwrap();
        assert_eq!(rows, [(1, Some("one".to_owned())), (2, None)]);
        let one: Option<i64> =
            connection.query("SELECT n FROM numbers WHERE n = $1").bind(7).optional().await.unwrap();
        assert_eq!(one, None);
        // What is not of that type is no value of it.
        assert!(connection.query("SELECT name FROM numbers").all::<i64>().await.is_err());
        assert!(connection.query("SELECT name FROM numbers WHERE n = 2").one::<String>().await.is_err());
        assert!(connection.query("SELECT n FROM numbers WHERE n = 7").one::<i64>().await.is_err());
    }
}

/// PostgreSQL reads what we write and the other way round.
#[tokio::test]
async fn numbers_travel_exactly() {
    let Some(place) = Place::postgres("numbers_travel_exactly").await else { return };
    let mut connection = place.connect().await;
    let mut random = StdRng::seed_from_u64(1);
    let mut numbers: Vec<String> =
        ["0", "-0", "0.00", "10000", "0.0001", "0.00001", "00012.500", "9999.9999", "100000000", "+7"]
            .map(str::to_owned)
            .into();
    for _ in 0..300 {
        let mut digits = |most: usize| -> String {
            let count = random.random_range(0..most);
            (0..count).map(|_| char::from(b"00001999123"[random.random_range(0..11)])).collect()
        };
        let (whole, fraction) = (digits(30), digits(20));
        let point = if fraction.is_empty() { "" } else { "." };
        numbers.push(format!("{}0{whole}{point}{fraction}", if random.random() { "-" } else { "" }));
    }
    for number in numbers {
        let asked = connection.query("SELECT $1::text, $1, $2::text::numeric::text");
        let asked = asked.bind(Argument::Numeric(number.as_str().into())).bind(&number);
        let row: Row = asked.one().await.unwrap();
        let canonical: String = row.get(2).unwrap();
        assert_eq!(row.get::<String>(0).unwrap(), canonical, "sent {number}");
        assert_eq!(row.value(1).unwrap(), Value::Numeric(canonical), "received {number}");
    }
    for number in ["", ".", "-", "1e3", "NaN", "1.2.3", "१"] {
        let asked = connection.query("SELECT $1").bind(Argument::Numeric(number.into()));
        assert!(asked.one::<Row>().await.is_err(), "{number}");
    }
    let none: Row = connection.query("SELECT 'NaN'::numeric").one().await.unwrap();
    assert!(none.value(0).is_err());
}

/// As the text that PostgreSQL makes of it.
#[tokio::test]
async fn intervals_documents_and_times_are_read() {
    let Some(place) = Place::postgres("intervals_documents_and_times_are_read").await else { return };
    let mut connection = place.connect().await;
    for text in ["1 year 2 mons -3 days +04:05:06.7", "-1 days", "00:00:00"] {
        let asked = connection.query("SELECT $1::text::interval, $1::text::interval::text").bind(text);
        let row: Row = asked.one().await.unwrap();
        assert_eq!(row.value(0).unwrap(), Value::Interval(row.get(1).unwrap()));
    }
    let row: Row = connection
        .query("SELECT '1969-12-31 23:59:59.999999Z'::timestamptz, '{\"b\":1,\"a\":[]}'::jsonb, 1::int, 'x'::name, '1'::json")
        .one()
        .await
        .unwrap();
    let values: Vec<Value> = (0..5).map(|at| row.value(at).unwrap()).collect();
    let expected = [
        Value::Timestamptz(-1),
        Value::Jsonb("{\"a\": [], \"b\": 1}".to_owned()),
        Value::Integer(1),
        Value::Text("x".to_owned()),
        Value::Other("JSON".to_owned()),
    ];
    assert_eq!(values, expected);
    let endless: Row = connection.query("SELECT 'infinity'::timestamptz").one().await.unwrap();
    assert!(endless.value(0).is_err());
}

/// Of any number of rows, NULLs among them.
#[tokio::test]
async fn arrays_are_taken_as_columns() {
    let Some(place) = Place::postgres("arrays_are_taken_as_columns").await else { return };
    let mut connection = place.connect().await;
    for (argument, _, postgres) in arguments() {
        let ty = argument.ty();
        let values = vec![argument, Argument::Null(ty), Argument::Null(ty)];
        let asked = connection.query("SELECT v FROM unnest($1) AS u (v)").keep(false);
        let rows: Vec<Row> = asked.bind(Argument::Array(ty, values)).all().await.unwrap();
        let values: Vec<Value> = rows.iter().map(|row| row.value(0).unwrap()).collect();
        assert_eq!(values, [postgres, Value::Null, Value::Null], "{ty}");
    }
    let none =
        connection.query("SELECT v FROM unnest($1) AS u (v)").bind(Argument::Array(Type::Text, vec![]));
    assert_eq!(none.all::<Row>().await.unwrap().len(), 0);
    let mixed = Argument::Array(Type::Text, vec![Argument::Bigint(1)]);
    assert!(connection.query("SELECT v FROM unnest($1) AS u (v)").bind(mixed).all::<Row>().await.is_err());

    let mut sqlite = Place::sqlite().connect().await;
    let array = Argument::Array(Type::Text, vec!["x".into()]);
    assert!(sqlite.query("SELECT $1").bind(array).all::<Row>().await.is_err());
}
