//! The stream `purchases`: what the users put into their carts. Ten users make ten purchases.

use serde::Serialize;

use crate::random::StreamSeed;
use crate::timestamp::Timestamp;
use crate::users::any_time;

/// The year 2026 begins: the day on which carts are looked at.
const LOOKED_AT: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

/// A car in a cart.
#[derive(Serialize)]
pub struct Purchase {
    id: u64,
    product_id: u32,
    user_id: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
    added_to_cart_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    purchased_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    returned_at: Option<Timestamp>,
}

/// Makes purchases, each from its number alone.
pub struct Purchases {
    seed: StreamSeed,
}

impl Purchases {
    /// The purchases of a seed.
    pub fn new(seed: i64) -> Self {
        Purchases { seed: StreamSeed::new(seed, "purchases") }
    }

    /// The purchases of a user, whose ids count from 1, as of now.
    pub fn of_user(&self, user_id: u64, now: Timestamp) -> impl Iterator<Item = Purchase> {
        let seed = self.seed;
        purchase_ids(user_id).map(move |id| {
            let random = &mut seed.record(id);
            let created_at = any_time(random).min(any_time(random));
            let product_id = random.between(1, 100);
            let mut later = |time: Timestamp| time.days_later(random.between(0, time.days_until(LOOKED_AT).max(2)));
            let added_to_cart_at = later(created_at);
            let purchased_at = later(added_to_cart_at);
            let returned_at = later(purchased_at);
            let is_purchased = random.percent(70);
            let is_returned = is_purchased && random.percent(15);
            Purchase {
                id,
                product_id,
                user_id,
                created_at,
                updated_at: now,
                added_to_cart_at,
                purchased_at: is_purchased.then_some(purchased_at),
                returned_at: is_returned.then_some(returned_at),
            }
        })
    }
}

/// Of ten users one buys nothing, another twice, and the ids still count up without a gap.
fn purchase_ids(user_id: u64) -> std::ops::Range<u64> {
    match user_id % 10 {
        7 => user_id..user_id,
        8 => user_id - 1..user_id,
        9 => user_id - 1..user_id + 1,
        _ => user_id..user_id + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    #[test]
    fn ids_count_up_without_a_gap() {
        let ids: Vec<u64> = (1..=1000).flat_map(purchase_ids).collect();
        assert_eq!(ids, (1..=1000).collect::<Vec<u64>>());
        assert_eq!(purchase_ids(7).count(), 0);
        assert_eq!(purchase_ids(9).count(), 2);
    }

    #[test]
    fn a_cart_is_bought_and_returned_in_this_order() {
        let purchases = Purchases::new(3);
        let purchases: Vec<Value> = (1..=10_000)
            .flat_map(|user| purchases.of_user(user, NOW))
            .map(|purchase| serde_json::to_value(purchase).unwrap())
            .collect();
        let with = |field: &str| purchases.iter().filter(|purchase| purchase.get(field).is_some()).count();
        assert!((6_800..7_200).contains(&with("purchased_at")));
        assert!((950..1_150).contains(&with("returned_at")));
        for purchase in &purchases {
            let times: Vec<&str> = ["created_at", "added_to_cart_at", "purchased_at", "returned_at"]
                .iter()
                .filter_map(|field| purchase.get(*field)?.as_str())
                .collect();
            assert!(times.is_sorted(), "{purchase}");
            assert!((1..=100).contains(&purchase["product_id"].as_u64().unwrap()));
        }
    }
}
