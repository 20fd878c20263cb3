//! Rows that PostgreSQL takes by COPY.

use super::{transactions::cut, *};
use crate::catalog::Type;

async fn connect(test: &str) -> Option<(Connection, Connection)> {
    let place = Place::postgres(test).await?;
    Some((place.connect().await, place.connect().await))
}

const COPY: &str = "COPY numbers (n, name) FROM STDIN (FORMAT binary)";

fn rows(count: i64) -> Rows {
    let mut rows = Rows::new(2).unwrap();
    for n in 1..=count {
        let name = if n % 2 == 0 { Argument::Null(Type::Text) } else { Argument::from(format!("no. {n}")) };
        rows.add([n.into(), name]).unwrap();
    }
    rows
}

async fn copy(connection: &mut Connection, count: i64) -> Result<(), Error> {
    let mut tx = connection.begin().await?;
    tx.copy(COPY, rows(count)).await?;
    tx.commit().await
}

#[tokio::test]
async fn copied_values_are_what_they_were() {
    let Some((mut connection, _)) = connect("copied_values_are_what_they_were").await else { return };
    let arguments = values::arguments();
    let columns = arguments.iter().enumerate().map(|(n, (argument, ..))| format!("c{n} {}", argument.ty()));
    let create = format!("CREATE TABLE every ({})", columns.collect::<Vec<_>>().join(", "));
    connection.script(create).await.unwrap();
    let mut rows = Rows::new(arguments.len()).unwrap();
    rows.add(arguments.iter().map(|(argument, ..)| argument.clone())).unwrap();
    rows.add(arguments.iter().map(|(argument, ..)| Argument::Null(argument.ty()))).unwrap();
    let copied = connection.copy("COPY every FROM STDIN (FORMAT binary)", rows).await.unwrap();
    assert_eq!(copied, 2);
    let read: Vec<Row> = connection.query("SELECT * FROM every ORDER BY c0").all().await.unwrap();
    for (at, (.., value)) in arguments.iter().enumerate() {
        assert_eq!(read[0].value(at).unwrap(), *value);
        assert_eq!(read[1].value(at).unwrap(), Value::Null);
    }
}

#[tokio::test]
async fn wherever_copying_is_dropped_all_of_it_is_there_or_nothing() {
    let test = "wherever_copying_is_dropped_all_of_it_is_there_or_nothing";
    let Some(place) = Place::postgres(test).await else { return };
    let mut other = place.connect().await;
    other.script(NUMBERS).await.unwrap();
    let mut lost = 0;
    // Of a few bytes, and of more than a socket takes at once.
    for (most, polls) in (0..14).map(|polls| (3, polls)).chain((0..14).map(|polls| (100_000, polls))) {
        let mut connection = place.connect().await;
        let done = cut(polls, copy(&mut connection, most)).await;
        match connection.query("SELECT count(*) FROM numbers").one::<i64>().await {
            Ok(seen) => {
                assert!(seen == most || (seen == 0 && !done), "{seen} of {most} after {polls} polls");
                assert_eq!(count(&mut other).await, seen, "after {polls} polls");
            }
            Err(error) => {
                lost += 1;
                assert!(!done && error.class() == Class::Lost, "{error} after {polls} polls");
                drop(connection);
                assert_eq!(count(&mut other).await, 0, "after {polls} polls");
            }
        }
        other.script("TRUNCATE numbers").await.unwrap();
    }
    assert!(lost > 0, "none was cut while it copied");
}

#[tokio::test]
async fn what_cannot_be_copied_is_told_and_leaves_nothing_behind() {
    let test = "what_cannot_be_copied_is_told_and_leaves_nothing_behind";
    let Some((mut connection, mut other)) = connect(test).await else { return };
    connection.script(NUMBERS).await.unwrap();
    copy(&mut connection, 2).await.unwrap();
    // The keys are there already.
    let error = copy(&mut connection, 3).await.unwrap_err();
    assert_eq!(error.class(), Class::Constraint, "{error}");
    let missing = connection.copy("COPY nothing FROM STDIN (FORMAT binary)", rows(1)).await.unwrap_err();
    assert_eq!(missing.class(), Class::Refused, "{missing}");
    assert_eq!((count(&mut connection).await, count(&mut other).await), (2, 2));
}
