//! A store in a PostgreSQL that is reached by TLS alone.

use test_prerequisites::postgres::tls;
use tributary_chassis::fault::causes;

use crate::store::Store;

#[tokio::test]
async fn every_connection_of_the_store_speaks_tls_and_verifies() {
    let test = "every_connection_of_the_store_speaks_tls_and_verifies";
    let Some(secured) = tls::database(test).await else { return };
    let database = secured.verified_by(&secured.authority).parse().unwrap();
    let store = Store::connect(&database).await.unwrap();
    let (mut own, mut query) = (store.read().await.unwrap(), store.query().await.unwrap());
    own.query("SELECT 1::bigint").one::<i64>().await.unwrap();
    query.query("SELECT 1::bigint").one::<i64>().await.unwrap();
    let (all, encrypted) = secured.sessions().await;
    assert!(all >= 3 && encrypted == all, "{encrypted} of {all} sessions are encrypted");

    let forged = secured.verified_by(&secured.stranger).parse().unwrap();
    let refused = causes(&Store::connect(&forged).await.map(drop).unwrap_err());
    assert!(refused.contains("certificate"), "{refused}");
    let refused = causes(&Store::connect_with(&database, &forged).await.map(drop).unwrap_err());
    assert!(refused.contains("certificate"), "{refused}");
}
