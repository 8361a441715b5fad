from vlm_bt.cli import main

if __name__ == "__main__":
    main()
