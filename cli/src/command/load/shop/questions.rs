//! What the gateway is asked in the end. Each answer contains everything that was answered to the run, by the
//! positions of the replies.

use serde_json::json;
use tonic::{Request, Status, metadata::MetadataValue};
use tributary_chassis::position::{AFTER, AS_OF, Positions};
use tributary_proto::query::v1::{
    Column, QueryRequest, Row, query_gateway_client::QueryGatewayClient, query_response::Part, value::Kind,
};

use super::{
    display::Display,
    figures::Told,
    methods::{Methods, REVENUE},
    names::Names,
    reply::{self, Revenue},
    traffic::CATEGORIES,
};
use crate::{command::load::pace::Pace, dynamic, endpoint::Target, failure::Failure};

/// What can be asked as SQL: texts name a value, each number is one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    Orders,
    Sold,
    Stock,
    Payments,
    Shipments,
}

impl Question {
    fn sql(self, names: &Names) -> String {
        let prefix = names.prefix();
        match self {
            Question::Orders => format!(
                "SELECT state, COUNT(*) AS orders FROM orders WHERE order_id LIKE '{prefix}-%' GROUP BY state"
            ),
            Question::Sold => format!(
                "SELECT sku, currency_code, units, revenue_minor FROM product_sales WHERE sku LIKE '{prefix}-%'"
            ),
            Question::Stock => {
                format!("SELECT sku, on_hand, reserved FROM stock_items WHERE sku LIKE '{prefix}-%'")
            }
            Question::Payments => format!(
                "SELECT state, amount_currency_code, COUNT(*) AS payments, \
                 CAST(SUM(amount_minor_units) AS BIGINT) AS minor_units \
                 FROM payments WHERE payment_id LIKE '{prefix}-%' GROUP BY state, amount_currency_code"
            ),
            Question::Shipments => format!(
                "SELECT state, COUNT(*) AS shipments FROM shipments \
                 WHERE shipment_id LIKE '{prefix}-%' GROUP BY state"
            ),
        }
    }
}

/// Asks the gateway of the mesh.
pub(super) struct Questions<'a> {
    pub(super) gateway: Target,
    pub(super) methods: &'a Methods,
    pub(super) pace: &'a Pace,
    pub(super) display: &'a Display,
    pub(super) names: &'a Names,
    pub(super) after: Positions,
}

impl Questions<'_> {
    /// The answer to a question in SQL.
    pub(super) async fn ask(&self, question: Question) -> Result<Told, Failure> {
        let sql = question.sql(self.names);
        let answer = self.pace.repeat(&self.gateway.name, self.display, || self.query(&sql)).await;
        answer.map_err(|status| Failure::call(&self.gateway.name, &status).with_advice(&sql))
    }

    async fn query(&self, sql: &str) -> Result<Told, Status> {
        let request = self.after(QueryRequest { sql: sql.to_owned(), max_rows: 0 })?;
        let reply = QueryGatewayClient::new(self.gateway.channel.clone()).query(request).await?;
        complete(reply.metadata())?;
        let mut parts = reply.into_inner();
        let (mut columns, mut told) = (Vec::new(), Told::new());
        while let Some(response) = parts.message().await? {
            match response.part {
                Some(Part::Header(header)) => columns = header.columns,
                Some(Part::Rows(rows)) => {
                    rows.rows.into_iter().try_for_each(|row| tell(&columns, row, &mut told))?;
                }
                Some(Part::Truncated(cut)) => return Err(Status::internal(format!("cut: {}", cut.reason))),
                None => return Err(Status::internal("an answer with an empty part")),
            }
        }
        Ok(told)
    }

    /// What insights say of the categories of the run, by region and currency.
    pub(super) async fn revenue(&self) -> Result<Told, Failure> {
        let found = self.methods.of(REVENUE)?;
        let mut told = Told::new();
        for kind in CATEGORIES {
            let request = json!({ "category": self.names.category(kind) });
            let message = dynamic::message(&found.method, request.as_object().cloned().unwrap_or_default())?;
            let attempt = async || {
                let request = self.after(vec![message.clone()])?;
                let reply = dynamic::call(found.target.channel.clone(), &found.method, request).await?;
                complete(reply.metadata())?;
                let message = reply.into_inner().message().await?;
                reply::read::<Revenue>(&message.ok_or_else(|| Status::internal("the reply has no message"))?)
            };
            let answer = self.pace.repeat(&found.target.name, self.display, attempt).await;
            for row in answer.map_err(|status| Failure::call(&found.target.name, &status))?.rows {
                let by = format!("{} {}", row.region, row.currency_code);
                *told.entry(format!("{by} units")).or_default() += row.units;
                *told.entry(format!("{by} revenue_minor")).or_default() += row.revenue_minor;
            }
        }
        Ok(told)
    }

    /// A request that is answered once all that was written is applied.
    fn after<T>(&self, message: T) -> Result<Request<T>, Status> {
        let after: MetadataValue<_> = (self.after.to_string().parse())
            .map_err(|error| Status::internal(format!("{}: no metadata value: {error}", self.after)))?;
        let mut request = Request::new(message);
        request.metadata_mut().insert(AFTER, after);
        request.set_timeout(self.pace.timeout);
        Ok(request)
    }
}

/// An answer that may lack something proves nothing: it is asked for again.
fn complete(metadata: &tonic::metadata::MetadataMap) -> Result<(), Status> {
    let as_of = metadata.get(AS_OF).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if as_of.ends_with("complete=1") {
        return Ok(());
    }
    Err(Status::unavailable(format!("the answer may lack something, see `tributary status`: {as_of}")))
}

/// A value for each number of the row.
fn tell(columns: &[Column], row: Row, told: &mut Told) -> Result<(), Status> {
    let kinds: Vec<_> = row.values.into_iter().map(|value| value.kind).collect();
    let texts = kinds.iter().filter_map(|kind| match kind {
        Some(Kind::Text(text)) => Some(text.as_str()),
        _ => None,
    });
    let name = texts.collect::<Vec<_>>().join(" ");
    for (column, kind) in columns.iter().zip(&kinds) {
        match kind {
            Some(Kind::Int64(value)) => {
                *told.entry(format!("{name} {}", column.name)).or_default() += value;
            }
            Some(Kind::Text(_)) => {}
            other => {
                return Err(Status::internal(format!(
                    "{} is neither text nor number: {other:?}",
                    column.name
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_proto::query::v1::{Null, Value};

    fn told(kinds: Vec<Kind>) -> Result<Told, Status> {
        let columns =
            ["state", "currency", "payments"].map(|name| Column { name: name.into(), ..Column::default() });
        let values = kinds.into_iter().map(|kind| Value { kind: Some(kind) }).collect();
        let mut told = Told::new();
        tell(&columns, Row { values }, &mut told)?;
        Ok(told)
    }

    #[test]
    fn a_number_is_named_by_the_texts_of_its_row_and_its_column() {
        let row = vec![Kind::Text("CAPTURED".into()), Kind::Text("EUR".into()), Kind::Int64(7)];
        assert_eq!(told(row).unwrap(), Told::from([("CAPTURED EUR payments".to_owned(), 7)]));
    }

    #[test]
    fn what_is_neither_text_nor_number_is_no_answer() {
        let row = vec![Kind::Text("CAPTURED".into()), Kind::Null(Null::Unspecified.into()), Kind::Int64(7)];
        assert!(told(row).is_err());
    }

    #[test]
    fn an_incomplete_answer_proves_nothing() {
        let metadata = |text: &str| {
            let mut metadata = tonic::metadata::MetadataMap::new();
            metadata.insert(AS_OF, text.parse().unwrap());
            metadata
        };
        assert!(complete(&metadata("query/9f/41;complete=1")).is_ok());
        assert!(complete(&metadata("query/9f/41;complete=0")).is_err());
        assert!(complete(&tonic::metadata::MetadataMap::new()).is_err());
    }
}
