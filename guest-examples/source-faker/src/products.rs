//! The stream `products`: a fixed list of a hundred cars.

use serde::Serialize;

use crate::timestamp::Timestamp;

/// When the list was made.
const CREATED_AT: Timestamp = Timestamp::from_unix_seconds(1_704_103_200);

/// A car that is for sale.
#[derive(Clone, Copy, Serialize)]
pub struct Product {
    /// From 1 to 100.
    pub id: u64,
    make: &'static str,
    model: &'static str,
    year: u16,
    price: u32,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Product {
    /// The same car, as of now.
    pub fn updated(self, now: Timestamp) -> Self {
        Product { updated_at: now, ..self }
    }
}

const fn product(id: u64, make: &'static str, model: &'static str, year: u16, price: u32) -> Product {
    Product { id, make, model, year, price, created_at: CREATED_AT, updated_at: CREATED_AT }
}

/// All of them, in the order of their ids.
#[rustfmt::skip]
pub const PRODUCTS: [Product; 100] = [
    product(1, "Toyota", "Corolla", 2024, 41150),
    product(2, "Honda", "Civic", 2009, 40500),
    product(3, "Ford", "Fiesta", 2011, 35350),
    product(4, "Volkswagen", "Golf", 2001, 27095),
    product(5, "Renault", "Clio", 2003, 11250),
    product(6, "Peugeot", "208", 2011, 30295),
    product(7, "Fiat", "500", 2014, 16650),
    product(8, "Volvo", "V60", 2011, 38090),
    product(9, "Skoda", "Fabia", 2011, 27800),
    product(10, "Seat", "Ibiza", 2021, 32595),
    product(11, "Mazda", "2", 2013, 10150),
    product(12, "Nissan", "Micra", 2019, 18400),
    product(13, "Hyundai", "i10", 2007, 10800),
    product(14, "Kia", "Picanto", 2007, 18990),
    product(15, "Subaru", "Impreza", 2010, 41390),
    product(16, "Suzuki", "Swift", 2006, 37900),
    product(17, "Citroen", "C1", 2001, 19650),
    product(18, "Opel", "Corsa", 2008, 35350),
    product(19, "Dacia", "Sandero", 2002, 6690),
    product(20, "Chevrolet", "Spark", 2009, 13090),
    product(21, "Toyota", "Yaris", 2020, 42995),
    product(22, "Honda", "Jazz", 2005, 38690),
    product(23, "Ford", "Focus", 2018, 28150),
    product(24, "Volkswagen", "Polo", 2006, 26700),
    product(25, "Renault", "Twingo", 2023, 12495),
    product(26, "Peugeot", "308", 2012, 17400),
    product(27, "Fiat", "Panda", 2020, 8650),
    product(28, "Volvo", "V90", 2014, 14850),
    product(29, "Skoda", "Octavia", 2003, 11890),
    product(30, "Seat", "Leon", 2001, 47490),
    product(31, "Mazda", "3", 2022, 43395),
    product(32, "Nissan", "Leaf", 2015, 33100),
    product(33, "Hyundai", "i20", 2022, 14400),
    product(34, "Kia", "Ceed", 2015, 34590),
    product(35, "Subaru", "Forester", 2001, 9700),
    product(36, "Suzuki", "Vitara", 2003, 23090),
    product(37, "Citroen", "C3", 2021, 10390),
    product(38, "Opel", "Astra", 2022, 8200),
    product(39, "Dacia", "Logan", 2007, 17200),
    product(40, "Chevrolet", "Malibu", 2006, 7250),
    product(41, "Toyota", "Land Cruiser", 2010, 12495),
    product(42, "Honda", "Accord", 2009, 11595),
    product(43, "Ford", "Mustang", 2004, 17150),
    product(44, "Volkswagen", "Passat", 2007, 17500),
    product(45, "Renault", "Megane", 2010, 12495),
    product(46, "Peugeot", "508", 2005, 39100),
    product(47, "Fiat", "Tipo", 2015, 30900),
    product(48, "Volvo", "XC40", 2006, 15690),
    product(49, "Skoda", "Superb", 2013, 10890),
    product(50, "Seat", "Ateca", 2007, 24690),
    product(51, "Mazda", "6", 2005, 40600),
    product(52, "Nissan", "Qashqai", 2001, 20100),
    product(53, "Hyundai", "i30", 2013, 25190),
    product(54, "Kia", "Niro", 2013, 29600),
    product(55, "Subaru", "Outback", 2003, 35595),
    product(56, "Suzuki", "Jimny", 2007, 6500),
    product(57, "Citroen", "C4", 2025, 34090),
    product(58, "Opel", "Mokka", 2023, 6750),
    product(59, "Dacia", "Duster", 2009, 21000),
    product(60, "Chevrolet", "Tahoe", 2001, 8150),
    product(61, "Toyota", "Hilux", 2024, 16595),
    product(62, "Honda", "CR-V", 2023, 36700),
    product(63, "Ford", "Transit", 2019, 24490),
    product(64, "Volkswagen", "Tiguan", 2015, 8550),
    product(65, "Renault", "Kangoo", 2020, 25295),
    product(66, "Peugeot", "Partner", 2013, 19000),
    product(67, "Fiat", "Doblo", 2025, 29400),
    product(68, "Volvo", "XC60", 2019, 31190),
    product(69, "Skoda", "Kodiaq", 2008, 45650),
    product(70, "Seat", "Arona", 2010, 29090),
    product(71, "Mazda", "CX-5", 2013, 16500),
    product(72, "Nissan", "Juke", 2012, 12900),
    product(73, "Hyundai", "Tucson", 2024, 47990),
    product(74, "Kia", "Sportage", 2001, 44900),
    product(75, "Subaru", "Levorg", 2016, 18250),
    product(76, "Suzuki", "Ignis", 2010, 45700),
    product(77, "Citroen", "Berlingo", 2005, 40890),
    product(78, "Opel", "Zafira", 2012, 33150),
    product(79, "Dacia", "Jogger", 2001, 17795),
    product(80, "Chevrolet", "Camaro", 2017, 28950),
    product(81, "Toyota", "Camry", 2013, 25890),
    product(82, "Honda", "Prelude", 2017, 37190),
    product(83, "Ford", "Explorer", 2020, 45100),
    product(84, "Volkswagen", "Transporter", 2021, 31290),
    product(85, "Renault", "Espace", 2012, 43850),
    product(86, "Peugeot", "Rifter", 2015, 39750),
    product(87, "Fiat", "Punto", 2016, 12690),
    product(88, "Volvo", "S60", 2011, 38150),
    product(89, "Skoda", "Karoq", 2021, 44100),
    product(90, "Seat", "Tarraco", 2024, 19700),
    product(91, "Mazda", "MX-30", 2017, 15790),
    product(92, "Nissan", "Navara", 2013, 16990),
    product(93, "Hyundai", "Kona", 2016, 38250),
    product(94, "Kia", "Sorento", 2005, 12590),
    product(95, "Subaru", "BRZ", 2001, 35000),
    product(96, "Suzuki", "Baleno", 2025, 14790),
    product(97, "Citroen", "Ami", 2009, 18590),
    product(98, "Opel", "Vivaro", 2003, 13490),
    product(99, "Dacia", "Spring", 2009, 10950),
    product(100, "Chevrolet", "Impala", 2010, 9895),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_count_up_and_no_car_comes_twice() {
        let mut names = std::collections::HashSet::new();
        for (index, product) in PRODUCTS.iter().enumerate() {
            assert_eq!(product.id, index as u64 + 1);
            assert!(names.insert((product.make, product.model)));
        }
    }
}
