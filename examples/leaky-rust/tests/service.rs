//! Each pair of tests is about one thing. Every test is right: run alone, it passes.

mod environment {
    #[test]
    fn french() {
        std::env::set_var("LEAKY_LANGUAGE", "french");
        assert_eq!(leaky::greeting(), "bonjour");
    }

    #[test]
    fn no_language() {
        assert_eq!(leaky::greeting(), "hello");
    }
}

mod global {
    #[test]
    fn the_first_visitor() {
        assert_eq!(leaky::visit(), 1);
    }

    #[test]
    fn two_visitors() {
        assert_eq!((leaky::visit(), leaky::visit()), (1, 2));
    }
}

mod lock {
    #[test]
    fn is_free() {
        leaky::lock().unwrap();
    }

    #[test]
    fn is_held() {
        leaky::lock().unwrap();
        assert!(leaky::lock().is_err());
    }
}

mod port {
    #[test]
    fn is_free() {
        std::mem::forget(leaky::listen().unwrap());
    }

    #[test]
    fn is_taken() {
        let _listener = leaky::listen().unwrap();
        assert!(leaky::listen().is_err());
    }
}

mod working_directory {
    #[test]
    fn elsewhere() {
        std::env::set_current_dir("/").unwrap();
        assert!(leaky::french().is_err());
    }

    #[test]
    fn here() {
        assert_eq!(leaky::french().unwrap(), "bonjour");
    }
}
