from etcdtui.cli.main import main

raise SystemExit(main())
