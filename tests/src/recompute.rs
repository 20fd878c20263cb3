//! Whether the views that a gateway keeps hold what their queries give.

use tributary_proto::query::v1::{ListViewsRequest, View, ViewKind};

use crate::clients::Clients;

/// Every kept view against its query, computed from scratch in the same snapshot: how many views and rows there are, or
/// the first view that is another.
pub async fn views(clients: &Clients) -> Result<(usize, u64), String> {
    let listed = clients.gateway.clone().list_views(ListViewsRequest {}).await;
    let views = listed.map_err(|status| status.to_string())?.into_inner().views;
    let kept: Vec<&View> = views.iter().filter(|view| view.kind() == ViewKind::Materialized).collect();
    let mut rows = 0;
    for View { name, sql, columns, .. } in &kept {
        let columns = columns.iter().map(|column| match (column.name.as_str(), column.r#type.as_str()) {
            // It is not compared, but its text is.
            (name, "jsonb") => format!("jsonb_build_object('it', {name}) ->> 'it' AS {name}"),
            (name, _) => name.to_owned(),
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        let kept = format!("SELECT {columns} FROM {name}");
        rows += same(clients, name, &kept, &format!("SELECT {columns} FROM ({sql}) AS computed")).await?;
    }
    Ok((kept.len(), rows))
}

/// The view `name` against `select`, computed from scratch in the same snapshot: how many rows there are.
pub async fn view(clients: &Clients, name: &str, select: &str) -> Result<u64, String> {
    same(clients, name, &format!("SELECT * FROM {name}"), select).await
}

async fn same(clients: &Clients, name: &str, kept: &str, computed: &str) -> Result<u64, String> {
    let without = |rows: &str, other: &str| format!("SELECT COUNT(*) AS n FROM ({rows} EXCEPT {other}) AS d");
    let sql = format!(
        "SELECT (SELECT COUNT(*) FROM {name}), (SELECT COUNT(*) FROM ({computed}) AS s), ({}), ({})",
        without(kept, computed),
        without(computed, kept)
    );
    let answer = clients.query(&sql).await.map_err(|status| format!("{name}: {status}: {sql}"))?;
    let [kept, computed, more, less] = [0, 1, 2, 3].map(|at| answer.rows[0][at].as_str());
    if kept != computed || more != "0" || less != "0" {
        return Err(format!("{name}: {kept} rows, not {computed}; {more} are too many, {less} are missing"));
    }
    kept.parse().map_err(|error| format!("{name}: {error}"))
}
