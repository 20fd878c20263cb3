//! `tributary query`.

use crate::{
    fake::{Gateway, mesh},
    program::{Run, command, run, tributary},
};

async fn query(arguments: &[&str]) -> Run {
    let host = mesh(Gateway::default()).await.to_string();
    tributary(&[&["--host", &host, "query"], arguments].concat()).await
}

#[tokio::test]
async fn rows_go_to_stdout_and_what_is_said_of_them_to_stderr() {
    let run = query(&["SELECT"]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(
        run.stdout,
        "| region |             revenue |\n\
         |--------|---------------------|\n\
         | EUROPE |                5000 |\n\
         | ASIA   | 9223372036854775807 |\n"
    );
    assert_eq!(run.stderr, "(2 rows, as of customers 7 live; complete)\n");
}

#[tokio::test]
async fn json_and_csv_are_for_programs() {
    let run = query(&["SELECT", "--output", "json"]).await;
    assert_eq!(
        run.stdout,
        "[\n{\"region\":\"EUROPE\",\"revenue\":5000},\n{\"region\":\"ASIA\",\"revenue\":9223372036854775807}\n]\n"
    );
    let run = query(&["SELECT", "-o", "csv"]).await;
    assert_eq!(run.stdout, "region,revenue\nEUROPE,5000\nASIA,9223372036854775807\n");
}

#[tokio::test]
async fn a_question_can_come_from_stdin() {
    let host = mesh(Gateway::default()).await.to_string();
    let run = run(command(&["--host", &host, "query", "-"]), "cut").await;
    assert!(run.stderr.contains("truncated"), "{run:?}");
}

#[tokio::test]
async fn a_token_goes_along() {
    let run = query(&["after", "--after", "orders/e1/17,customers/c1/3", "-o", "csv"]).await;
    assert_eq!(run.stdout, "region,revenue\n\"customers/c1/3,orders/e1/17\",0\n", "{run:?}");
    let run = query(&["after", "--after", "orders"]).await;
    assert_eq!(run.code, Some(64));
    assert!(run.stderr.contains("service/epoch/sequence"), "{run:?}");
}

#[tokio::test]
async fn what_was_cut_off_is_said() {
    let run = query(&["cut"]).await;
    assert_eq!(run.code, Some(0));
    assert!(run.stderr.contains("truncated: 10,000 rows; ask for fewer"), "{run:?}");
}

#[tokio::test]
async fn a_refusal_names_code_reason_and_field() {
    let run = query(&["SELEC"]).await;
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    assert!(
        run.stderr.contains("error: INVALID_ARGUMENT (INVALID_REQUEST) from query-gateway")
            && run.stderr.contains("\n  sql: expected SELECT at line 1, column 1"),
        "{run:?}"
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_success() {
    let run = query(&["breaks"]).await;
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("DEADLINE_EXCEEDED") && run.stderr.contains("--timeout"), "{run:?}");
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_said_so_with_what_to_do() {
    let host = crate::fake::own_address().to_string();
    let run = tributary(&["--host", &host, "query", "SELECT 1"]).await;
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("query-gateway does not answer") && run.stderr.contains(" up`"), "{run:?}");
}
