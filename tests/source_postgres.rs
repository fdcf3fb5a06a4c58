//! source-postgres.
use crate::harness::postgres::Server;
#[test]
fn trial() {
    let start = std::time::Instant::now();
    let database = Server::shared().database();
    println!("{:?}", start.elapsed());
    database.sql("CREATE TABLE a (b int, c text); INSERT INTO a VALUES (1, 'x\ty'), (2, NULL)");
    println!("{:?}", database.rows("SELECT * FROM a"));
    println!("{:?}", start.elapsed());
    let mut s = Server::start(&Default::default());
    println!("{:?}", start.elapsed());
    s.start_again();
    println!("{:?}", start.elapsed());
    s.database();
    println!("{:?}", start.elapsed());
    if std::env::var_os("KILL").is_some() {
        std::process::Command::new("kill").arg("-KILL").arg(std::process::id().to_string()).status().unwrap();
    }
}
