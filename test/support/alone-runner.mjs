import JestRunner from "jest-runner";

/** Runs one file at a time. Jest finishes the files of one runner before it begins those of the next. */
export default class AloneRunner extends JestRunner {
  constructor(globalConfig, context) {
    super({ ...globalConfig, maxWorkers: 1 }, context);
  }
}
