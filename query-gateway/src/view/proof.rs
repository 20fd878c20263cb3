//! Views against a real PostgreSQL: whatever the tables, the views and the changes are, after every batch each view holds
//! what its text means.

mod answer;
mod case;
mod draw;
mod grammar;
mod history;
mod mutant;
mod oracle;
mod postgres;
mod query;
mod run;
mod script;
mod subject;
mod tables;

use self::case::Case;

#[tokio::test]
async fn views_equal_postgresql() {
    let Some(mut postgres) = postgres::connect("views_equal_postgresql").await else { return };
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (count, mut seed) = (number("COUNT", 1_000), number("SEED", 1));
    let (mut batches, start) = (0, std::time::Instant::now());
    let mut bad = 0;
    let mut total = (0, 0, 0, 0);
    while batches < count {
        let case = Case::draw(seed);
        let script = case.script();
        if std::env::var("SHOW").is_ok() {
            println!("seed {seed}\n{script}");
        }
        match run::run(&script, None, &mut postgres).await {
            Ok(ran) => {
                batches += ran.batches as u64;
                total.0 += ran.compared;
                total.1 += ran.rows;
                total.2 += ran.raised;
                total.3 += ran.empty;
            }
            Err(difference) => {
                println!(
                    "SEED={seed}\n{}\n{difference}",
                    script.views.iter().map(|v| v.create()).collect::<Vec<_>>().join("\n")
                );
                bad += 1;
                if bad > 20 {
                    break;
                }
            }
        }
        seed += 1;
    }
    println!("{batches} batches in {:?}, bad {bad} {total:?}", start.elapsed());
}
