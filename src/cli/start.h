/* Starting the program again, in another environment. */
#ifndef BL_CLI_START_H
#define BL_CLI_START_H

/* Replaces this process by the same program with these arguments; returns where that fails. */
void start_again(char **argv, char **environment);

/* Checks the BLAS; where it computes wrongly, or with instructions that the processor lacks, the program
 * goes on with the next older kernels and says so; where OpenBLAS does not know the processor, with newer
 * ones. Ends the program where there are none. `argv` is main's. */
void start_checked(char **argv);
#endif
