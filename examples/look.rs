#![allow(dead_code)]
#[path = "../tests/it/seed.rs"]
mod seed;
#[tokio::main]
async fn main() {
    let city = seed::city(18080).await;
    println!("{}", city.address);
    std::future::pending::<()>().await;
}
