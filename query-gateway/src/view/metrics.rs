//! How many views are as they should be. The label is one of the states there are.

use std::sync::Weak;

use opentelemetry::{KeyValue, metrics::Meter};

use super::{Inner, ViewState};

const STATES: [ViewState; 4] = [ViewState::Pending, ViewState::Building, ViewState::Ready, ViewState::Failed];

/// Tells of the views whenever metrics are collected, as long as they are there.
pub(super) fn observe(meter: &Meter, views: Weak<Inner>) {
    meter
        .u64_observable_gauge("tributary.views")
        .with_description("Views and indexes, by state.")
        .with_callback(move |observer| {
            let Some(views) = views.upgrade() else { return };
            let views = views.current.load();
            for state in STATES {
                let count = views.iter().filter(|view| view.state == state).count();
                observer.observe(count as u64, &[KeyValue::new("state", state.as_str_name())]);
            }
        })
        .build();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use opentelemetry::metrics::MeterProvider as _;
    use tributary_chassis::testing::Meters;

    use super::*;
    use crate::store::tests::place::{Engine, in_each_store};
    use crate::{
        query::library::Library,
        view::{ViewFiles, Views},
    };

    in_each_store! {
        views_are_counted_by_state,
    }

    async fn views_are_counted_by_state(engine: Engine) {
        let library = Library::stocked(engine).await;
        let files = [
            ("long.sql", "CREATE VIEW long AS SELECT title FROM books WHERE pages > 500"),
            ("members.sql", "CREATE VIEW members AS SELECT name FROM nobodies"),
            ("titles.sql", "CREATE VIEW titles AS SELECT title FROM books"),
            ("wrong.sql", "CREATE VIEW wrong AS SELECT nothing FROM books"),
        ];
        let files = ViewFiles::parse(files.map(|(file, text)| (file.to_owned(), text.to_owned())));
        let (views, _follower) = Views::open(library.gateway.clone(), files).await.unwrap();
        let meters = Meters::new();
        observe(&meters.provider().meter("test"), Arc::downgrade(&views.0));
        let told = STATES.map(|state| {
            let sample = format!("tributary_views{{state=\"{}\"}}", state.as_str_name());
            meters.value(&sample).unwrap()
        });
        assert_eq!(told, [1.0, 0.0, 2.0, 1.0]);
    }
}
